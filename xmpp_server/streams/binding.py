"""RFC 6120 §7: resource binding — the request and its answers."""

from __future__ import annotations

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.streams import answers
from xmpp_server.xml.element import Element, tag
from xmpp_server.xml.namespaces import BIND
from xmpp_server.xml.stanza import Stanza


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
    bind = Element("bind", BIND)
    bind.add("jid", text=str(jid))
    return answers.result(request, bind)
