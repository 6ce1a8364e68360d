"""Message stanzas: RFC 6121 §5."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza


class MessageType(StrEnum):
    """The types of a message stanza (RFC 6121 §5.2.2)."""

    NORMAL = "normal"
    CHAT = "chat"
    GROUPCHAT = "groupchat"
    HEADLINE = "headline"
    ERROR = "error"


MESSAGE_TYPES = {member.value: member for member in MessageType}


def message_type(stanza: Stanza) -> MessageType:
    """Return the type of a message; RFC 6121 §5.2.2: an absent or unknown one means normal."""
    return MESSAGE_TYPES.get(stanza.type or "normal", MessageType.NORMAL)


def has_body(stanza: Stanza) -> bool:
    """Tell whether the message has a `<body/>`, without parsing it."""
    return f"{stanza.ns} body" in stanza.children


def body(stanza: Stanza) -> str | None:
    """Return the text of the first `<body/>` (RFC 6121 §5.2.3)."""
    if not has_body(stanza):
        return None
    element = stanza.element.find("body", stanza.ns)
    return None if element is None else element.text


def build(
    sender: JID,
    to: JID,
    *,
    type: MessageType = MessageType.NORMAL,  # noqa: A002 - the attribute's name on the wire
    id: str | None = None,  # noqa: A002 - likewise
    subject: str | None = None,
    body: str | None = None,
    payloads: Iterable[Element] = (),
) -> Stanza:
    """Build a message of the server's own; the type is always written, so that no client has to guess."""
    element = Element("message", CLIENT, {"type": type.value})
    if id is not None:
        element.attrs["id"] = id
    if subject is not None:
        element.add("subject", text=subject)
    if body is not None:
        element.add("body", text=body)
    for payload in payloads:
        element.append(payload)
    return Stanza.build(element, sender, to)
