"""What a server of no standing cannot make us do to the servers of others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.app.live_server import running
from tests.federated_peers import DnsServer
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, bounce, chat, pair
from tests.net.test_s2s_proofs import HOSTS, two
from tests.raw import SASL, RawClient, abort_all, condition
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Limits
from xmpp_server.core.domain_rules import Rule
from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.net import s2s, s2s_lane
from xmpp_server.net.s2s import Federation
from xmpp_server.net.timers import RESOLUTION_S
from xmpp_server.streams.dialback import Pair
from xmpp_server.streams.s2s_in import S2SInStream


def federation_of(server: Server) -> Federation:
    assert server.federating is not None
    return server.federating.federation


async def befriend(first: Server, second: Server) -> tuple[RawClient, RawClient]:
    """Let romeo of the first server see juliet of the second; return both."""
    romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
    romeo.send("<presence/>")
    juliet.send(f"<presence to='romeo@{A}'/>")
    await romeo.until(lambda element: element.get("from") == juliet.jid)
    return romeo, juliet


async def grace(server: Server) -> None:
    """Wait until whatever was scheduled for now has happened."""
    over = asyncio.Event()
    server.runtime.schedule(RESOLUTION_S, over.set)
    await over.wait()


async def claim(server: Server, sender: str, target: str) -> str:
    """Open a stream in the name of others; return the error that ends it, and leave."""
    host, _, port = federation.door(server, "s2s_tls").rpartition(":")
    peer = await RawClient.connect((host, int(port)), tls=True)
    peer.send(
        f"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='{sender}' to='{target}'"
        " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'></stream:stream>"
    )
    elements = await peer.rest()
    peer.abort()
    return condition(elements)


@pytest.mark.parametrize(("target", "error"), [("nobody.test", "host-unknown"), (A, "")])
async def test_a_stream_of_strangers_says_nothing_of_the_domain_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, error: str
) -> None:
    """Its end led to a connection there, in any name; and refused, to the end of everybody's presence."""
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        _clients = await befriend(first, second)
        links = federation_of(first)
        for link in tuple(links.links):
            link.close(None)
        await settle(lambda: not links.links)
        known = set(links.lanes)
        monkeypatch.setattr(s2s, "GRACE_S", 0.0)
        assert await claim(first, B, target) == error
        await grace(first)
        assert not links.links
        assert set(links.lanes) == known


async def test_nobody_connects_to_a_domain_that_was_blocked(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was available there is not any more."""
    monkeypatch.setattr(s2s, "GRACE_S", 0.0)
    either = S2S(trust=federation.trusted(tmp_path, authority))
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B)}
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await befriend(first, second)
        assert first.federating is not None
        await first.federating.remotes.replace(Rule.BLOCK, [B])
        await grace(first)
        assert not any(link.established for link in federation_of(first).links)
        gone = await romeo.until(lambda element: element.get("from") == juliet.jid)
        assert gone.get("type") == "unavailable"


async def test_those_who_call_us_leave_room_for_those_whom_we_call(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XEP-0288 is refused to many: a peer may have a thousand domains on each of its streams."""
    monkeypatch.setattr(s2s, "LANES", 1)
    either = S2S(trust=federation.trusted(tmp_path, authority))
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B)}
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert {link.names["direction"] for link in federation_of(second).links} == {"in", "out"}


@pytest.mark.parametrize("certified", [True, False])
async def test_a_user_cannot_end_the_link_of_all_by_a_long_message(
    tmp_path: Path, authority: trustme.CA, *, certified: bool
) -> None:
    """XEP-0478: with its sender's address it was longer than the other server takes, which ends the stream for that."""
    either = S2S(trust=federation.trusted(tmp_path, authority))
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B) if certified}
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "hi")
        links = set(federation_of(first).links)
        for one, other in ((romeo, juliet), (juliet, romeo)):
            head, end = f"<message to='{other.jid}' type='chat' id='long'><body>", "</body></message>"
            one.send(head + "x" * (Limits().stanza_bytes - len(head) - len(end)) + end)
            error = await one.until(lambda element: element.get("id") == "long")
            assert error.find(".//{*}policy-violation") is not None
            await chat(one, other, "it goes on")
        assert links <= federation_of(first).links


async def test_what_a_server_adds_is_no_reason_to_end_a_link(tmp_path: Path) -> None:
    """The room's ids, on top of as many elements as its server takes from a client; and MAM puts it deeper."""
    limits = Limits()
    room = f"coven@conference.{A}"
    async with pair(tmp_path, S2S(), S2S()) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        for client, nick in ((romeo, "romeo"), (juliet, "juliet")):
            client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            await client.until(lambda element: element.get("type") == "groupchat")
            if client is romeo:
                await client.iq(
                    f"<iq type='set' id='open' to='{room}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
                )
        romeo.send(
            f"<message to='{room}' type='groupchat' id='many'><body>x</body><x xmlns='urn:x'>"
            f"{'<a/>' * (limits.stanza_elements - 3)}</x></message>"
        )
        heard = await juliet.until(lambda element: element.get("id") == "many")
        assert heard.get("type") == "groupchat"
        await chat(romeo, juliet, "it goes on")


async def test_domains_that_say_they_are_elsewhere_do_not_end_the_link_there_again_and_again(
    tmp_path: Path, names: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XEP-0220 §2.6: Prosody hangs up over a claim to a domain that it does not serve; whose DNS says so, anybody."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    objection = S2SInStream._objection

    def rude(stream: S2SInStream, claimed: Pair) -> Condition | None:
        if not stream._policy.serves(claimed.target):
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        return objection(stream, claimed)

    monkeypatch.setattr(S2SInStream, "_objection", rude)
    async with two(tmp_path, names, S2S()) as servers:
        romeo, juliet = await servers.clients()
        for name in ("evil0.test", "evil1.test"):
            names.server(name, HOSTS[B], servers.ports[B])
            await chat(romeo, juliet, "hi")
            link = federation_of(servers.servers[A]).lanes[Pair(A, B)].link
            assert link is not None
            assert await bounce(romeo, name) == "remote-server-not-found"
        assert link.established


EVIL = "evil.test"


@pytest.fixture
async def attacked(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Server]:
    """A server that takes five elements of a domain in a second, and trusts the authority."""
    own = S2S(trust=federation.trusted(tmp_path, authority), stanzas_per_s=5)
    tls = federation.certificate(tmp_path / A, authority, A)
    async with running(federation.settings(tmp_path, A, own, tls=tls), "romeo") as server:
        yield server
        await abort_all()


async def intruder(server: Server, tmp_path: Path, authority: trustme.CA) -> RawClient:
    """Open a stream as a domain that has a good certificate, for itself and all below it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(federation.certificate(tmp_path / EVIL, authority, EVIL, f"*.{EVIL}").certificate)
    host, _, port = federation.door(server, "s2s_tls").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    peer = RawClient(reader, writer)
    peer.header = (
        f"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='{EVIL}' to='{A}'"
        " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )
    await peer.open()
    peer.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='EXTERNAL'>=</auth>")
    answer = await peer.read()
    assert answer.tag == SASL + "success"
    await peer.open()
    return peer


async def test_claims_are_held_to_the_allowance(tmp_path: Path, authority: trustme.CA, attacked: Server) -> None:
    """They are more work than stanzas: signatures to verify, or servers to ask."""
    peer = await intruder(attacked, tmp_path, authority)
    [link] = federation_of(attacked).links
    for number in range(6):
        peer.send(f"<db:result from='d{number}.{EVIL}' to='{A}'>key</db:result>")
        assert (await peer.read()).get("type") == "valid"
    peer.send(" ")
    await settle(lambda: link.slowed)
    peer.abort()
