"""Presence stanzas: RFC 6121 §3 (subscription types) and §4.7 (show, status, priority)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza


class PresenceType(StrEnum):
    """The types of a presence stanza (RFC 6121 §4.7.1); AVAILABLE is written by leaving the attribute out."""

    AVAILABLE = ""
    UNAVAILABLE = "unavailable"
    SUBSCRIBE = "subscribe"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBED = "unsubscribed"
    PROBE = "probe"
    ERROR = "error"


PRESENCE_TYPES = {member.value: member for member in PresenceType}
SUBSCRIPTION_TYPES = frozenset(
    (
        PresenceType.SUBSCRIBE,
        PresenceType.SUBSCRIBED,
        PresenceType.UNSUBSCRIBE,
        PresenceType.UNSUBSCRIBED,
    )
)
SHOWS = frozenset(("away", "chat", "dnd", "xa"))
#: The lexical form of xs:byte with the white space which XML Schema collapses.
_BYTE = re.compile(r"[ \t\r\n]*([+-]?0*[0-9]{1,3})[ \t\r\n]*")


def presence_type(stanza: Stanza) -> PresenceType:
    """Return the type of a presence stanza.

    Raises:
        StanzaError: bad-request; an unknown type must not pass for available (an empty 'type' neither).

    """
    if stanza.type is None:
        return PresenceType.AVAILABLE
    type_ = PRESENCE_TYPES.get(stanza.type)
    if not type_:
        raise StanzaError(Condition.BAD_REQUEST, "Unknown presence type")
    return type_


def priority(stanza: Stanza) -> int:
    """Return the priority, from -128 to 127; absent it is 0 (RFC 6121 §4.7.2.3).

    Raises:
        StanzaError: bad-request; no such integer, or more than one.

    """
    found = _only(stanza, "priority")
    if found is None:
        return 0
    match = _BYTE.fullmatch(found.text)
    if match is None or not -128 <= (value := int(match[1])) <= 127:
        raise StanzaError(Condition.BAD_REQUEST, "A priority is an integer from -128 to 127")
    return value


def show(stanza: Stanza) -> str | None:
    """Return the availability: away, chat, dnd or xa, or None for plainly available (RFC 6121 §4.7.2.1).

    Raises:
        StanzaError: bad-request; another value, or more than one.

    """
    found = _only(stanza, "show")
    if found is None:
        return None
    text = found.text.strip()
    if text not in SHOWS:
        raise StanzaError(Condition.BAD_REQUEST, "Show is away, chat, dnd or xa")
    return text


def build(
    sender: JID,
    to: JID,
    type: PresenceType = PresenceType.AVAILABLE,  # noqa: A002 - the attribute's name on the wire
    *,
    id: str | None = None,  # noqa: A002 - likewise
    status: str | None = None,
    payloads: Iterable[Element] = (),
) -> Stanza:
    """Build a presence stanza of the server's own: an unavailable, a probe, a cancelled subscription."""
    element = Element("presence", CLIENT)
    if type is not PresenceType.AVAILABLE:
        element.attrs["type"] = type.value
    if id is not None:
        element.attrs["id"] = id
    if status is not None:
        element.add("status", text=status)
    for payload in payloads:
        element.append(payload)
    return Stanza.build(element, sender, to)


def _only(stanza: Stanza, name: str) -> Element | None:
    """Return the child `name` if there is one; the tree is parsed only then."""
    count = stanza.children.count(f"{stanza.ns} {name}")
    if count == 0:
        return None
    if count > 1:  # RFC 6121 §4.7.2: no more than one
        raise StanzaError(Condition.BAD_REQUEST, f"More than one {name}")
    return stanza.element.find(name, stanza.ns)
