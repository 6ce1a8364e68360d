"""What two clients settle between themselves, in-band bytestreams and Jingle: the core only carries it, untouched."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import pytest
import slixmpp
from slixmpp.exceptions import IqError

from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import CLIENT, RawClient, logged_in

Users = tuple[str, str]
IBB = "{http://jabber.org/protocol/ibb}"
JINGLE = "urn:xmpp:jingle:1"
BLOCK = 4096

#: XEP-0234 example 1, with what comes from clients: prefixes, unknown children, mixed content, character references.
OFFER = (
    "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' initiator='{initiator}' sid='851ba2'>"
    "<content creator='initiator' name='a-file-offer' senders='initiator'>"
    "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><date>1969-07-21T02:56:15Z</date>"
    "<desc>one &lt;&amp;&gt;&#xA; two \u2665</desc><media-type>text/plain</media-type><name>test.txt</name>"
    "<range/><size>6144</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>w0mcJylzCn+AfvuGdqkty2+KP48=</hash>"
    "</file></description>"
    "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' mode='tcp' sid='vj3hs98y'>"
    "<x:own xmlns:x='urn:x' x:a=' \u00e9 '/>"
    "<candidate cid='hft54dqy' host='192.168.4.1' jid='{initiator}' port='5086' priority='8257636' type='direct'/>"
    "</transport></content></jingle>"
)


@contextlib.asynccontextmanager
async def in_band(server: ServerProcess, user: str) -> AsyncIterator[SlixClient]:
    client = SlixClient(user, plugins=("xep_0030", "xep_0047", "xep_0199"))
    try:
        yield await client.online(server.c2s)
    finally:
        await client.offline()


@pytest.mark.parametrize("use_messages", [False, True], ids=["iq", "message"])
async def test_an_in_band_bytestream(server: ServerProcess, users: Users, use_messages: bool) -> None:
    data = bytes(range(256)) * 400
    async with in_band(server, users[0]) as romeo, in_band(server, users[1]) as juliet:
        juliet.plugin["xep_0047"].auto_accept = True
        incoming: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        received = bytearray()
        juliet.add_event_handler("ibb_stream_start", incoming.set_result, disposable=True)
        juliet.add_event_handler("ibb_stream_data", lambda stream: received.extend(stream.read()))
        ended = asyncio.Event()
        juliet.add_event_handler("ibb_stream_end", lambda stream: ended.set())
        stream = await romeo.plugin["xep_0047"].open_stream(
            juliet.boundjid, block_size=BLOCK, sid="i781hf64", use_messages=use_messages, timeout=10
        )
        await asyncio.wait_for(incoming, 10)
        await stream.sendall(data, timeout=10)
        await stream.close(timeout=10)
        await asyncio.wait_for(ended.wait(), 10)
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


async def test_a_refused_bytestream(server: ServerProcess, users: Users) -> None:
    async with in_band(server, users[0]) as romeo, in_band(server, users[1]) as juliet:
        with pytest.raises(IqError) as refused:
            await romeo.plugin["xep_0047"].open_stream(juliet.boundjid, block_size=BLOCK, timeout=10)
        assert refused.value.iq["error"]["condition"] == "not-acceptable"
        with pytest.raises(IqError) as gone:
            await romeo.plugin["xep_0047"].open_stream(slixmpp.JID(f"{juliet.boundjid.bare}/gone"), timeout=10)
        assert gone.value.iq["error"]["condition"] == "service-unavailable"


async def from_stanza(client: RawClient, name: str) -> ET.Element:
    return await client.until(lambda element: element.tag == CLIENT + name)


async def test_a_jingle_offer_arrives_as_it_was_sent(server: ServerProcess, users: Users) -> None:
    async with logged_in(server.c2s_tls, users[0]) as romeo, logged_in(server.c2s_tls, users[1]) as juliet:
        offer = OFFER.format(initiator=romeo.jid)
        romeo.send(f"<iq type='set' id='nzu25s8' to='{juliet.jid}'>{offer}</iq>")
        request = await from_stanza(juliet, "iq")
        assert request.attrib["from"] == romeo.jid
        assert request.attrib["to"] == juliet.jid
        assert request.attrib["id"] == "nzu25s8"
        (arrived,) = request
        assert ET.canonicalize(ET.tostring(arrived, "unicode")) == ET.canonicalize(
            ET.tostring(ET.fromstring(offer), "unicode")
        )
        juliet.send(f"<iq type='result' id='nzu25s8' to='{romeo.jid}'/>")
        answer = await from_stanza(romeo, "iq")
        assert (answer.attrib["type"], answer.attrib["from"], len(answer)) == ("result", juliet.jid, 0)
        juliet.send(
            f"<iq type='set' id='1' to='{romeo.jid}'><jingle xmlns='{JINGLE}' action='session-terminate' sid='851ba2'>"
            "<reason><success/></reason></jingle></iq>"
        )
        ended = await from_stanza(romeo, "iq")
        assert ended.find(f"{{{JINGLE}}}jingle/{{{JINGLE}}}reason/{{{JINGLE}}}success") is not None
        romeo.send(
            f"<iq type='error' id='1' to='{juliet.jid}'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<unknown-session xmlns='urn:xmpp:jingle:errors:1'/></error></iq>"
        )
        error = await from_stanza(juliet, "iq")
        assert error.find(f"{CLIENT}error/{{urn:xmpp:jingle:errors:1}}unknown-session") is not None


async def test_blocks_as_large_as_the_protocol_has_them(server: ServerProcess, users: Users) -> None:
    """65,535 bytes are the most (XEP-0047 §2.1); in base64 they must fit into what a stanza may have."""
    block = "QUJD" * (65_535 // 3)
    async with logged_in(server.c2s_tls, users[0]) as romeo, logged_in(server.c2s_tls, users[1]) as juliet:
        romeo.send(
            f"<iq type='set' id='a' to='{juliet.jid}'>"
            f"<data xmlns='http://jabber.org/protocol/ibb' seq='65535' sid='s'>{block}</data></iq>"
        )
        request = await from_stanza(juliet, "iq")
        assert request.findtext(f"{IBB}data") == block
