"""What waits for another server is not safe yet, and how many servers are remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.net.conftest import settle
from tests.net.test_s2s import A, B, TarPit, bounce, bounced, chat, lonely, pair, silent
from tests.raw import CLIENT as CLIENT_TAG
from tests.raw import SM, RawClient
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S
from xmpp_server.jid import JID
from xmpp_server.net import s2s, s2s_acknowledgement, s2s_crowd, s2s_lane
from xmpp_server.net.connection import Connection
from xmpp_server.net.s2s_acknowledgement import Acknowledgements
from xmpp_server.net.s2s_link import Link
from xmpp_server.stanzas import message
from xmpp_server.streams.events import Ended


async def test_what_waits_for_a_server_is_not_acknowledged(tmp_path: Path) -> None:
    """XEP-0198, docs/acknowledgement.md: an answer covers no message that is in memory alone; then it does not wait."""
    asked = asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    async with TarPit(patient) as address, lonely(tmp_path, sick=address) as (_, romeo):
        await romeo.enable()
        romeo.send("<message to='x@sick.test' id='m'><body>?</body></message>")
        romeo.request()
        romeo.send("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        first = await romeo.read()
        assert first.get("id") == "p", "acknowledged before it was sent"
        asked.set()
        heard = [await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a")]
        heard.append(await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a"))
        assert [(one.get("type"), one.get("h")) for one in heard] == [("error", None), (None, "2")]


async def test_servers_that_cannot_be_reached_are_forgotten_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 3)
    async with lonely(tmp_path, **dict.fromkeys("abcde", "127.0.0.1:1")) as (server, romeo):
        assert server.federating is not None
        for name in "bcde":
            assert await bounce(romeo, f"{name}.test") == "remote-server-timeout"
            assert len(server.federating.federation.lanes) <= 3


async def test_there_is_an_end_to_how_many_servers_are_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 2)
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 1.0)
    async with TarPit(silent) as address, lonely(tmp_path, **dict.fromkeys("bcd", address)) as (_, romeo):
        for name in "bcd":
            romeo.send(f"<message to='{name}.test' id='{name}'><body>?</body></message>")
        assert await bounced(romeo, "d") == "resource-constraint"
        assert [await bounced(romeo, id_) for id_ in "bc"] == ["remote-server-timeout"] * 2


async def test_what_waits_for_all_servers_together_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s, "WAITING_BYTES", 1000)
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 0.5)
    async with TarPit(silent) as address, lonely(tmp_path, **dict.fromkeys("bcd", address)) as (server, romeo):
        for name in "bcd":
            romeo.send(f"<message to='{name}.test' id='{name}'><body>{'x' * 400}</body></message>")
        assert await bounced(romeo, "d") == "resource-constraint"
        assert [await bounced(romeo, id_) for id_ in "bc"] == ["remote-server-timeout"] * 2
        assert server.federating is not None
        assert server.federating.federation._waiting_bytes == 0


async def test_many_servers_of_one_domain_are_in_nobody_elses_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a domain has as many as they like below it, and can have us call all of them."""
    monkeypatch.setattr(s2s_crowd, "AT_ONCE", 2)
    monkeypatch.setattr(s2s_crowd, "WAITING", 1)
    monkeypatch.setattr(s2s_lane, "CONNECT_S", 1.0)
    evil = [f"{name}.evil" for name in "abcd"]
    pit = TarPit(silent)
    async with pit as address, lonely(tmp_path, good="127.0.0.1:1", **dict.fromkeys(evil, address)) as (_, romeo):
        for name in "abcd":
            romeo.send(f"<message to='{name}.evil.test' id='{name}'><body>?</body></message>")
        assert await bounced(romeo, "d") == "resource-constraint"
        assert await bounce(romeo, "good.test", 0.5) == "remote-server-timeout"
        assert [await bounced(romeo, id_) for id_ in "abc"] == ["remote-server-timeout"] * 3
        assert pit.connections <= 2


@dataclass
class Linked:
    """Romeo's server with its end of the link; Juliet, and her server's end of it."""

    romeo: RawClient
    juliet: RawClient
    server: Server
    link: Link
    peer: Link

    @property
    def federation(self) -> s2s.Federation:
        assert self.server.federating is not None
        return self.server.federating.federation

    @property
    def wire(self) -> Connection:
        """Juliet's server's connection: while it is paused, nothing is read or acknowledged."""
        assert self.peer._connection is not None
        return self.peer._connection

    def say(self, *idents: str) -> None:
        for ident in idents:
            self.romeo.send(f"<message to='{self.juliet.jid}' id='{ident}' type='chat'><body>?</body></message>")

    async def heard(self, count: int) -> list[str | None]:
        """Wait for the next messages to Juliet; return their ids."""
        return [
            (await self.juliet.until(lambda one: one.tag == CLIENT_TAG + "message")).get("id") for _ in range(count)
        ]


@pytest.fixture
async def linked(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Linked]:
    """Two servers with certificates of one authority; a message has gone over, and is acknowledged."""
    tls = {domain: federation.certificate(tmp_path / domain, authority, domain) for domain in (A, B)}
    either = S2S(trust=federation.trusted(tmp_path, authority))
    async with pair(tmp_path, either, either, **tls) as (first, second):
        romeo, juliet = await federation.login(first, "romeo"), await federation.login(second, "juliet")
        await chat(romeo, juliet, "before")
        assert first.federating is not None
        assert second.federating is not None
        [link], [peer] = first.federating.federation.links, second.federating.federation.links
        await settle(lambda: not link.unacknowledged)
        yield Linked(romeo, juliet, first, link, peer)


async def test_what_a_lost_link_has_not_brought_over_comes_first(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6120 §10.1: between the end of the stream and that of the connection, senders go on."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    linked.wire.pause()
    addresses = JID.parse(linked.romeo.jid), JID.parse(linked.juliet.jid)
    linked.federation.route(message.build(*addresses, id="old"))
    assert linked.link.unacknowledged == 1
    linked.link.stream.lost()
    linked.link._ended(Ended(None))
    linked.federation.route(message.build(*addresses, id="new"))
    linked.peer.abort()
    assert await linked.heard(2) == ["old", "new"]


async def test_what_is_not_acknowledged_is_bounded(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that falls behind, because it slows us down for example, keeps its link; senders are told."""
    monkeypatch.setattr(s2s_acknowledgement, "UNACKNOWLEDGED", 3)
    linked.wire.pause()
    linked.say("0", "1", "2", "3", "4")
    assert [await bounced(linked.romeo, ident) for ident in ("3", "4")] == ["resource-constraint"] * 2
    assert linked.link.unacknowledged == 3
    linked.wire.resume()
    assert await linked.heard(3) == ["0", "1", "2"]
    await chat(linked.romeo, linked.juliet, "it goes on")


async def test_what_a_peer_has_not_acknowledged_is_not_acknowledged_here(linked: Linked) -> None:
    """docs/acknowledgement.md: before that a crash could lose it; errors come before the answer that covers them."""
    romeo = linked.romeo
    await romeo.enable()
    linked.wire.pause()
    linked.say("m")
    romeo.request()
    romeo.send("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert (await romeo.read()).get("id") == "p", "acknowledged before the peer had it"
    linked.wire.resume()
    assert await linked.heard(1) == ["m"]
    assert (await romeo.until(lambda element: element.tag == SM + "a")).get("h") == "2"
    linked.wire.pause()
    linked.say("n")
    romeo.request()
    await settle(lambda: linked.link.unacknowledged == 1)
    linked.link.since = linked.server.runtime.now()  # it has not worked for long
    linked.peer.abort()
    answers = [await romeo.until(lambda one: one.get("id") == "n" or one.tag == SM + "a") for _ in range(2)]
    assert [(one.get("type"), one.get("h")) for one in answers] == [("error", None), (None, "3")]


@pytest.mark.parametrize("closing", ["peer", "ours"])
async def test_what_is_safe_is_acknowledged_before_a_stream_ends(
    linked: Linked, monkeypatch: pytest.MonkeyPatch, closing: str
) -> None:
    """XEP-0198 §4: so that it is not sent again, whoever ends the stream in good order."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    assert linked.peer._acknowledgements is not None
    with monkeypatch.context() as patch:  # the peer answers no request
        patch.setattr(Acknowledgements, "take", lambda self, element, now: None)
        linked.say("0", "1", "2")
        assert await linked.heard(3) == ["0", "1", "2"]
    assert linked.link.unacknowledged == 3
    (linked.peer if closing == "peer" else linked.link).close(None)
    await settle(lambda: linked.link not in linked.federation.links)
    await chat(linked.romeo, linked.juliet, "after")  # and nothing before it
