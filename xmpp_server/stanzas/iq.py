"""IQ stanzas: RFC 6120 §8.2.3 (semantics) and builders for answers and requests."""

from __future__ import annotations

from enum import StrEnum

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr


class IqType(StrEnum):
    """The types of an IQ stanza (RFC 6120 §8.2.3)."""

    GET = "get"
    SET = "set"
    RESULT = "result"
    ERROR = "error"


IQ_TYPES = {member.value: member for member in IqType}


def iq_type(stanza: Stanza) -> IqType:
    """Return the type of an IQ stanza whose shape obeys RFC 6120 §8.2.3.

    Raises:
        StanzaError: bad-request; no 'id', no or unknown 'type', a request without exactly one payload, or a
            result with more than one.

    """
    type_ = IQ_TYPES.get(stanza.type or "")
    if type_ is None:
        raise StanzaError(Condition.BAD_REQUEST, "An IQ is of type get, set, result or error")
    if not stanza.id:  # §8.1.3
        raise StanzaError(Condition.BAD_REQUEST, "An IQ needs an id")
    payloads = len(stanza.children)
    if type_ in (IqType.GET, IqType.SET) and payloads != 1:
        raise StanzaError(Condition.BAD_REQUEST, "A request has exactly one payload")
    if type_ is IqType.RESULT and payloads > 1:
        raise StanzaError(Condition.BAD_REQUEST, "A result has at most one payload")
    return type_


def payload(stanza: Stanza) -> Element:
    """Return the payload of a request whose shape `iq_type` has checked."""
    first = stanza.element.first
    if first is None:
        raise StanzaError(Condition.BAD_REQUEST, "A request has exactly one payload")
    return first


def result(stanza: Stanza, payload: Element | None = None) -> Stanza:
    """Answer a request; one without 'to' is answered by the sender's account (RFC 6120 §10.3.3)."""
    to = stanza.sender
    if to is None:
        raise ValueError("the stanza has no sender yet")
    sender = stanza.to or to.bare
    ident = stanza.id or ""
    if payload is None:
        escaped = escape_attr(ident).encode()
        raw = b"<iq type='result' id='%b' from='%b' to='%b'/>" % (escaped, sender.encoded, to.encoded)
        attrs = {"type": "result", "id": ident, "from": str(sender), "to": str(to)}
        return Stanza("iq", CLIENT, attrs, raw, (), len(raw), False).addressed(sender, to)
    element = Element("iq", CLIENT, {"type": "result", "id": ident})
    element.append(payload)
    return Stanza.build(element, sender, to)


def request(
    type: IqType,  # noqa: A002 - the attribute's name on the wire
    sender: JID,
    to: JID,
    id: str,  # noqa: A002 - likewise
    payload: Element,
) -> Stanza:
    """Build a request of the server's own: a roster push, a ping, a disco query."""
    element = Element("iq", CLIENT, {"type": type.value, "id": id})
    element.append(payload)
    return Stanza.build(element, sender, to)
