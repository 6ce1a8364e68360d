"""Stanzas inside stanzas between the server and its components (XEP-0297 in XEP-0355 and XEP-0356)."""

from __future__ import annotations

from collections.abc import Iterable

from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.stanzas.forward import Forwarded, forwarded_bytes
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, CONTENT
from xmpp_server.xml.stanza import Stanza


def wrapping(kind: str, ident: str, sender: JID, to: JID, wrapper: tuple[str, str], inner: Stanza) -> Stanza:
    """Return an iq whose payload `wrapper` (name, namespace) holds a stamped stanza, byte by byte."""
    name, ns = wrapper
    wire = b"<iq type='%b' id='%b' from='%b' to='%b'><%b xmlns='%b'>%b</%b></iq>" % (
        kind.encode(),
        ident.encode(),
        sender.encoded,
        to.encoded,
        name.encode(),
        ns.encode(),
        forwarded_bytes(inner),
        name.encode(),
    )
    attrs = {"type": kind, "id": ident, "from": str(sender), "to": str(to)}
    stanza = Stanza("iq", CLIENT, attrs, wire, (f"{ns} {name}",), wire.index(b">") + 1, False)
    stanza.sender = sender
    stanza.to = to
    stanza.wire = wire
    return stanza


def wrapped(stanza: Stanza, wrapper: tuple[str, str]) -> Element | None:
    """Return the stanza, in jabber:client, that `wrapper` (name, namespace) holds as its only forwarded one."""
    holder = stanza.element.find(*wrapper)
    forwarded = None if holder is None else Forwarded.of(holder)
    return None if forwarded is None else as_client(forwarded.stanza)


def as_client(stanza: Element) -> Element:
    """Return a stanza of any content namespace as one of jabber:client (RFC 6120 §4.8.3): what a library writes."""
    if stanza.ns == CLIENT or stanza.ns not in CONTENT:
        return stanza
    return _renamed(stanza, stanza.ns)


def _renamed(element: Element, ns: str) -> Element:
    copy = Element(element.name, CLIENT if element.ns == ns else element.ns, dict(element.attrs))
    children: Iterable[Element | str] = element.children
    for child in children:
        copy.append(_renamed(child, ns) if isinstance(child, Element) and child.ns == ns else child)
    return copy


def address(element: Element, name: str) -> JID | None:
    """Return an address of a stanza; None where there is none, or what is no JID."""
    try:
        return JID.parse(element.attrs[name])
    except (KeyError, JIDMalformed):
        return None
