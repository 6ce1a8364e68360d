"""What the server and its archive say to each other, as bytes (docs/archive-protocol.md)."""

from __future__ import annotations

from typing import Final

from xmpp_server.jid import JID
from xmpp_server.stanzas.forward import declared
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr, serialize

ARCHIVE: Final = "urn:x-xmpp-server:archive:1"


def entry(
    ident: str, owner: JID, contact: JID, stanza: Stanza, *, room: bool = False, in_roster: bool = False
) -> bytes:
    """Return one message for one archive; the id begins with its time (`core.ids`)."""
    text = declared(stanza).replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return b"<entry id='%b' owner='%b' with='%b'%b>%b</entry>" % (
        ident.encode(),
        owner.encoded,
        contact.encoded,
        b" room='true'" if room else b" roster='true'" if in_roster else b"",
        text,
    )


def erasure(owner: JID) -> bytes:
    """Return the end of an archive."""
    return b"<erase owner='%b'/>" % owner.encoded


def store(items: bytes) -> bytes:
    """Return the payload that hands entries over."""
    return b"<store xmlns='%b'>%b</store>" % (ARCHIVE.encode(), items)


def ask(owner: JID, requester: JID, request: Stanza, *, room: bool) -> bytes:
    """Return the payload that passes a client's request on."""
    inner = b"".join(serialize(child) for child in request.element.elements())
    return b"<ask xmlns='%b' owner='%b' by='%b' type='%b'%b>%b</ask>" % (
        ARCHIVE.encode(),
        owner.encoded,
        requester.encoded,
        escape_attr(request.type or "").encode(),
        b" room='true'" if room else b"",
        inner,
    )


def request(ident: str, host: JID, component: JID, name: str, payload: bytes) -> Stanza:
    """Return the iq around a payload, whose element is called `name`."""
    wire = b"<iq type='set' id='%b' from='%b' to='%b'>%b</iq>" % (
        ident.encode(),
        host.encoded,
        component.encoded,
        payload,
    )
    attrs = {"type": "set", "id": ident, "from": str(host), "to": str(component)}
    stanza = Stanza("iq", CLIENT, attrs, wire, (f"{ARCHIVE} {name}",), wire.index(b">") + 1, False)
    stanza.sender = host
    stanza.to = component
    stanza.wire = wire
    return stanza
