"""This server with Prosody and ejabberd: each on its own address of 127.0.0.0/8, found by DNS, under one authority."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import trustme

from tests import federation
from tests.app.live_server import running
from tests.federated_peers import DnsServer, Ejabberd, Peer, Prosody, need
from tests.net.conftest import settle
from tests.peers import PASSWORD
from tests.ports import free_ports
from tests.raw import CLIENT, HEADER, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Dns, Tls
from xmpp_server.net import s2s_lane
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.net.self_signed import ensure_self_signed
from xmpp_server.streams.dialback import Pair

KINDS = (Prosody, Ejabberd)
ROSTER = "{jabber:iq:roster}"
VCARD, UPDATE = "{vcard-temp}", "{vcard-temp:x:update}"
#: Of a PNG: the smallest there is, as others look into it.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
NUMBERS = itertools.count(1)


class Site:
    """A peer, with a certificate of the authority or one it has signed itself."""

    def __init__(
        self, kind: type[Peer], folder: Path, names: DnsServer, authority: trustme.CA, *, signed: bool
    ) -> None:
        need(kind)
        number = next(NUMBERS)
        domain = f"{kind.name}{number}.example"
        trust = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(trust))
        if signed:
            pair = authority.issue_cert(domain, f"*.{domain}", not_after=datetime.now(UTC) + timedelta(days=30))
            certificate = folder / "pair.pem"
            pair.private_key_and_cert_chain_pem.write_to_path(str(certificate))
        else:
            ensure_self_signed(folder, [domain])
            certificate = folder / "self-signed.pem"
        self.names = names
        self.peer = kind(folder / "peer", domain, f"127.0.2.{number}", names.port, certificate, trust)
        self.publish()
        self.peer.start()

    def restart(self) -> None:
        """End the peer in good order and start it again."""
        self.peer.stop()
        self.peer.start()

    def publish(self, *, direct: bool = False) -> None:
        peer = self.peer
        for domain in (peer.domain, f"conference.{peer.domain}"):
            self.names.server(domain, peer.host, None if direct else peer.s2s, peer.s2s_tls if direct else None)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def signed(request, tmp_path_factory, names, authority) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp("signed"), names, authority, signed=True)
    yield site
    site.peer.stop()


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def unsigned(request, tmp_path_factory, names, authority) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp("unsigned"), names, authority, signed=False)
    yield site
    site.peer.stop()


@contextlib.asynccontextmanager
async def ours(
    folder: Path, names: DnsServer, s2s: S2S, authority: trustme.CA | None, *, direct: bool = False
) -> AsyncIterator[Server]:
    """Run a server of ours under a name that no peer has heard of before."""
    number = next(NUMBERS)
    domain, host = f"ours{number}.example", f"127.0.1.{number}"
    port, direct_port = free_ports(2, host)
    for name in (domain, f"conference.{domain}"):
        names.server(name, host, None if direct else port, direct_port if direct else None, named=False)
    tls = Tls() if authority is None else federation.certificate(folder, authority, domain, f"*.{domain}")
    listen = {"s2s": (f"{host}:{port}",), "s2s_tls": (f"{host}:{direct_port}",)}
    dns = Dns(nameservers=(f"127.0.0.1:{names.port}",))
    s2s = S2S(verify=s2s.verify, trust=s2s.trust, dane=s2s.dane, posh=s2s.posh, dns=dns)
    async with running(federation.settings(folder, domain, s2s, tls=tls, listen=listen), "romeo") as server:
        try:
            yield server
        finally:
            await abort_all()


async def peer_login(peer: Peer, user: str = "juliet") -> RawClient:
    client = await RawClient.connect(peer.address)
    client.header = HEADER.replace("to='localhost'", f"to='{peer.domain}'")
    await client.sign_in(user, PASSWORD, "there")
    return client


def methods(server: Server) -> set[str]:
    """How we have authenticated on the links that are there."""
    assert server.federating is not None
    links = server.federating.federation.links
    return {link.ready.result() for link in links if isinstance(link, Outgoing) and link.ready.done()}


async def chat(one: RawClient, other: RawClient, text: str) -> None:
    """One says something, the other hears it."""
    one.send(f"<message to='{other.jid}' type='chat' id='{text}'><body>{text}</body></message>")
    heard = await other.until(lambda element: element.tag == CLIENT + "message")
    assert heard.get("type") == "chat", ET.tostring(heard)
    assert (heard.get("from"), heard.findtext(CLIENT + "body")) == (one.jid, text)


async def presence(client: RawClient, kind: str | None, sender: str) -> ET.Element:
    """Wait for presence of a type."""
    return await client.until(
        lambda element: (
            element.tag == CLIENT + "presence"
            and element.get("type") == kind
            and (element.get("from") or "").startswith(sender)
        )
    )


async def subscribe(one: RawClient, other: RawClient) -> None:
    """One subscribes to the other's presence, and sees it."""
    mine, theirs = one.jid.partition("/")[0], other.jid.partition("/")[0]
    one.send(f"<presence to='{theirs}' type='subscribe'/>")
    await presence(other, "subscribe", mine)
    other.send(f"<presence to='{mine}' type='subscribed'/>")
    await presence(one, "subscribed", theirs)
    await presence(one, None, other.jid)


async def come_online(*clients: RawClient) -> None:
    for client in clients:
        await client.iq("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        client.send("<presence/>")
        await presence(client, None, client.jid)


async def test_certificates_prove_both(signed, names, authority, tmp_path):
    """RFC 6120 §13.7.2, XEP-0178: nobody needs dialback."""
    only = S2S(verify="certificate", trust=federation.trusted(tmp_path, authority))
    async with ours(tmp_path, names, only, authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert methods(server) == {"EXTERNAL"}
        assert server.federating is not None
        both_ways = 1 if signed.peer.name == "prosody" else 2  # XEP-0288
        assert len(server.federating.federation.links) == both_ways


async def test_dialback_where_certificates_prove_nothing(unsigned, names, tmp_path):
    """XEP-0220 over TLS, both ways."""
    async with ours(tmp_path, names, S2S(), None) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(unsigned.peer)
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert methods(server) == {"dialback"}


async def test_dialback_where_the_peer_opens_first(unsigned, names, tmp_path):
    async with ours(tmp_path, names, S2S(), None) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(unsigned.peer)
        await chat(juliet, romeo, "hello")


async def test_direct_tls(signed, names, authority, tmp_path):
    """XEP-0368: there are no other doors in DNS."""
    signed.publish(direct=True)
    try:
        only = S2S(verify="certificate", trust=federation.trusted(tmp_path, authority))
        async with ours(tmp_path, names, only, authority, direct=True) as server:
            romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
            await chat(romeo, juliet, "hi")
            await chat(juliet, romeo, "hello")
    finally:
        signed.publish()


async def test_subscriptions_and_presence_both_ways(signed, names, authority, tmp_path):
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await come_online(romeo, juliet)
        await subscribe(romeo, juliet)
        await subscribe(juliet, romeo)
        romeo.send("<presence><show>away</show></presence>")
        seen = await presence(juliet, None, romeo.jid)
        while seen.findtext(CLIENT + "show") != "away":
            seen = await presence(juliet, None, romeo.jid)
        roster = await romeo.iq("<iq type='get' id='r2'><query xmlns='jabber:iq:roster'/></iq>")
        assert [item.get("subscription") for item in roster.iter(ROSTER + "item")] == ["both"]
        await juliet.close()
        await presence(romeo, "unavailable", juliet.jid)
        again = await peer_login(signed.peer)
        again.send("<presence/>")
        await presence(again, None, romeo.jid)  # the answer to its server's probe
        await presence(romeo, None, again.jid)


async def test_cards_and_avatars_both_ways(signed, names, authority, tmp_path):
    """XEP-0054, XEP-0153: presence tells the hash of the picture, the card has the picture."""
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await come_online(romeo, juliet)
        await subscribe(romeo, juliet)
        await subscribe(juliet, romeo)
        for owner, reader in ((romeo, juliet), (juliet, romeo)):
            mine = owner.jid.partition("/")[0]
            picture = base64.b64encode(PICTURE + mine.encode()).decode()
            photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{picture}</BINVAL></PHOTO>"
            answer = await owner.iq(
                f"<iq type='set' id='card'><vCard xmlns='vcard-temp'><FN>{mine}</FN>{photo}</vCard></iq>"
            )
            assert answer.get("type") == "result", ET.tostring(answer)
            digest = hashlib.sha1(PICTURE + mine.encode()).hexdigest()
            update = f"<x xmlns='vcard-temp:x:update'><photo>{digest}</photo></x>"
            owner.send(f"<presence><status>pictured</status>{update}</presence>")
            await reader.until(lambda element, digest=digest: element.findtext(f".//{UPDATE}photo") == digest)
            card = await reader.iq(f"<iq type='get' id='get' to='{mine}'><vCard xmlns='vcard-temp'/></iq>")
            assert card.get("from") == mine, ET.tostring(card)
            assert card.findtext(f".//{VCARD}FN") == mine
            data = base64.b64decode(card.findtext(f".//{VCARD}BINVAL") or "")
            assert hashlib.sha1(data).hexdigest() == digest


async def test_disco_and_rooms(signed, names, authority, tmp_path):
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await come_online(romeo, juliet)
        domain = next(iter(server.hosts))
        ask = "<iq type='get' id='{}' to='{}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        for client, target in ((romeo, signed.peer.domain), (juliet, domain)):
            answer = await client.iq(ask.format("info", target))
            assert answer.get("type") == "result", ET.tostring(answer)
            assert answer.get("from") == target
        await talk_in_rooms(server, signed.peer, romeo, juliet)


async def test_rooms_with_dialback(unsigned, names, tmp_path):
    """Each pair is proven for itself, on a shared stream or on one of its own."""
    async with ours(tmp_path, names, S2S(), None) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(unsigned.peer)
        await come_online(romeo, juliet)
        await chat(romeo, juliet, "hi")
        await talk_in_rooms(server, unsigned.peer, romeo, juliet)


async def talk_in_rooms(server: Server, peer: Peer, romeo: RawClient, juliet: RawClient) -> None:
    """Both join a room of the peer's and one of ours, and hear each other."""
    domain = next(iter(server.hosts))
    for room in (f"x@conference.{peer.domain}", f"x@conference.{domain}"):
        await join(juliet if peer.domain in room else romeo, room)
        await join(romeo if peer.domain in room else juliet, room)
        romeo.send(f"<message to='{room}' type='groupchat'><body>all</body></message>")
        heard = await juliet.until(lambda element: element.findtext(CLIENT + "body") == "all")
        assert heard.get("from", "").startswith(f"{room}/romeo")
    if peer.name == "ejabberd":  # XEP-0220 §2.6; Prosody does not say that a failed claim ends no stream
        assert server.federating is not None
        outgoing = [link for link in server.federating.federation.links if isinstance(link, Outgoing)]
        [shared] = [link.stream.pairs for link in outgoing if link.stream.pairs]
        assert {
            Pair(domain, peer.domain),
            Pair(domain, f"conference.{peer.domain}"),
            Pair(f"conference.{domain}", peer.domain),
        } <= shared


async def test_occupants_from_elsewhere_hear_that_the_server_stops(signed, names, authority, tmp_path):
    """XEP-0045 §11.2: it goes over the link before that is closed."""
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        room = f"x@conference.{next(iter(server.hosts))}"
        await join(romeo, room)
        await join(juliet, room)
        await server.stop()
        gone = await presence(juliet, "unavailable", f"{room}/juliet")
        codes = {status.get("code") for status in gone.iter("{http://jabber.org/protocol/muc#user}status")}
        assert codes == {"110", "332"}


async def join(client: RawClient, room: str) -> None:
    nick = client.jid.partition("@")[0]
    client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    joined = await presence(client, None, f"{room}/{nick}")
    if joined.find(".//*[@code='201']") is not None:
        form = "<x xmlns='jabber:x:data' type='submit'/>"
        await client.iq(
            f"<iq type='set' id='open' to='{room}'>"
            f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query></iq>"
        )


async def test_what_a_peer_has_not_acknowledged_is_sent_again(signed, names, authority, tmp_path, monkeypatch):
    """XEP-0198: the peer is stopped in the middle and comes back."""
    if signed.peer.name != "prosody":
        pytest.skip("ejabberd has no stream management between servers")
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await chat(romeo, juliet, "before")
        assert server.federating is not None
        links = server.federating.federation.links
        await settle(lambda: not sum(link.unacknowledged for link in links))
        with signed.peer.paused():
            for number in range(5):
                romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{number}</body></message>")
            await settle(lambda: sum(link.unacknowledged for link in links) == 5)
            for link in tuple(links):  # the network breaks
                link.abort()
        heard = [await juliet.until(lambda element: element.tag == CLIENT + "message") for _ in range(5)]
        assert [element.findtext(CLIENT + "body") for element in heard] == list("01234")


async def test_a_peer_that_dies_and_comes_back(signed, names, authority, tmp_path):
    """Errors while it is away; one link more when it is back."""
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(signed.peer)
        await chat(romeo, juliet, "before")
        target = juliet.jid
        signed.peer.kill()
        await asyncio.sleep(0.3)
        try:
            romeo.send(f"<message to='{target}' type='chat' id='away'><body>?</body></message>")
            error = await romeo.until(lambda element: element.get("id") == "away", 35)
            assert error.get("type") == "error"
            assert error.find(".//{*}remote-server-timeout") is not None, ET.tostring(error)
        finally:
            juliet.abort()
            await asyncio.to_thread(signed.peer.start)
        juliet = await peer_login(signed.peer)
        await asyncio.sleep(2.5)  # the back-off
        await chat(romeo, juliet, "after")
