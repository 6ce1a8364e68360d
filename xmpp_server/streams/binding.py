"""RFC 6120 §7: resource binding — the request and its answers."""

from __future__ import annotations

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.error import error_element
from xmpp_server.xml.element import Element, tag
from xmpp_server.xml.namespaces import BIND, CLIENT
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import serialize


def is_request(iq: Stanza) -> bool:
    """Whether the iq asks for a resource."""
    return iq.type == "set" and tag(BIND, "bind") in iq.children


def requested_resource(iq: Stanza) -> str | None:
    """Return the resource that the client asks for, as it wrote it, or None if the server may choose.

    Raises:
        StanzaError: `bad-request`, if the iq has no id or more than the one child (RFC 6120 §8.1.3, §8.2.3).

    """
    if not iq.id or len(iq.children) != 1:
        raise StanzaError(Condition.BAD_REQUEST)
    bind = iq.element.first
    resource = bind.find("resource", BIND) if bind is not None else None
    return (resource.text or None) if resource is not None else None


def result(request: Stanza, jid: JID) -> bytes:
    """Write the answer that tells the client its full JID (RFC 6120 §7.6.1)."""
    answer = _answer(request, "result")
    answer.add("bind", BIND).add("jid", text=str(jid))
    return serialize(answer)


def refusal(request: Stanza, error: StanzaError) -> bytes:
    """Write the error of a binding that failed (RFC 6120 §7.6.2, §7.7.2)."""
    answer = _answer(request, "error")
    answer.append(error_element(error, CLIENT))
    return serialize(answer)


def _answer(request: Stanza, kind: str) -> Element:
    attrs = {"type": kind}
    if request.id is not None:
        attrs["id"] = request.id
    return Element("iq", CLIENT, attrs)
