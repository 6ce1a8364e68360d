"""Other people's servers that go away in the middle of a stream of messages: what was sent arrives, or comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.federated_peers import DnsServer, Ejabberd, Prosody
from tests.interop.test_federation import Site, come_online, ours, peer_login, presence, subscribe
from tests.raw import CLIENT, ClosedError, RawClient
from xmpp_server.app.settings import S2S
from xmpp_server.net import s2s, s2s_lane

MESSAGES = 300
PAUSE_S = 0.01


@pytest.fixture(params=(Prosody, Ejabberd), ids=lambda kind: kind.name)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, names: DnsServer, authority: trustme.CA
) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp("site"), names, authority, signed=True)
    yield site
    site.peer.stop()


class Listener:
    """Reads all that comes to a client, until its connection is closed."""

    def __init__(self, client: RawClient) -> None:
        self.bodies: list[int] = []
        self.errors: list[int] = []
        self.answered = asyncio.Event()
        self._task = asyncio.create_task(self._read(client))

    async def _read(self, client: RawClient) -> None:
        with contextlib.suppress(ClosedError):
            while True:
                element = await client.read(120)
                if element.tag == CLIENT + "message":
                    known = self.errors if element.get("type") == "error" else self.bodies
                    known.append(int(str(element.get("id"))))
                elif element.tag == CLIENT + "iq":
                    self.answered.set()

    async def closed(self) -> None:
        await self._task

    async def until(self, number: int) -> None:
        """Wait until something of this number has come."""
        async with asyncio.timeout(40):
            while number not in self.bodies and number not in self.errors:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def say(romeo: RawClient, target: str, number: int) -> None:
    romeo.send(f"<message to='{target}' type='chat' id='{number}'><body>{number}</body></message>")


async def test_a_peer_restarted_in_the_middle(
    site: Site, names: DnsServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XEP-0198 (Prosody): nothing is lost without a word. Without it (ejabberd) only what was under way may be."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(site.peer)
        await romeo.enable()
        juliet.send("<presence/>")
        here, before = Listener(romeo), Listener(juliet)
        target = juliet.jid
        restart = None
        for number in range(MESSAGES):
            if number == MESSAGES // 3:
                restart = asyncio.create_task(asyncio.to_thread(site.restart))
            say(romeo, target, number)
            await asyncio.sleep(PAUSE_S)
        assert restart is not None
        await restart
        await before.closed()
        after = Listener(again := await peer_login(site.peer))
        again.send("<presence/><iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
        async with asyncio.timeout(30):  # what the peer has kept for her comes first: nothing live may overtake it
            await after.answered.wait()
        last = MESSAGES
        async with asyncio.timeout(30):  # the back-off
            while last not in after.bodies:
                last += 1
                say(romeo, target, last)
                await asyncio.wait(
                    [asyncio.create_task(here.until(last)), asyncio.create_task(after.until(last))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        heard = before.bodies + after.bodies
        first = list(dict.fromkeys(heard))
        assert first == sorted(first), "out of order"
        assert here.errors == sorted(here.errors), "told out of order"
        lost = set(range(MESSAGES)) - set(heard) - set(here.errors)
        if site.peer.name == "prosody":
            assert not lost
        else:
            assert heard == first, "nothing is sent twice where nobody counts"
            assert lost <= set(range(max(before.bodies), min(here.errors + after.bodies)))


async def test_order_of_each_sender_both_ways(
    site: Site, names: DnsServer, authority: trustme.CA, tmp_path: Path
) -> None:
    """RFC 6120 §10.1, from before there is a link; Prosody's own order is kept from when there is one (XEP-0288)."""
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(site.peer)
        here, there = Listener(romeo), Listener(juliet)
        for number in range(MESSAGES // 2):
            say(romeo, juliet.jid, number)
        await there.until(0)
        for number in range(MESSAGES):
            say(juliet, romeo.jid, number)
            if number >= MESSAGES // 2:
                say(romeo, juliet.jid, number)
        await asyncio.gather(here.until(MESSAGES - 1), there.until(MESSAGES - 1))
        assert here.bodies == there.bodies == list(range(MESSAGES))
        assert not here.errors + there.errors


async def test_a_peer_that_is_killed_for_good(
    site: Site, names: DnsServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6121 §4.5.2: its users are not available any more; who writes to them is told."""
    monkeypatch.setattr(s2s, "GRACE_S", 0.5)
    async with ours(tmp_path, names, S2S(trust=federation.trusted(tmp_path, authority)), authority) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(site.peer)
        await come_online(romeo, juliet)
        await subscribe(romeo, juliet)
        site.peer.kill()
        await presence(romeo, "unavailable", juliet.jid)
        romeo.send(f"<message to='{juliet.jid}' type='chat' id='gone'><body>?</body></message>")
        error = await romeo.until(lambda element: element.get("id") == "gone", 35)
        assert error.find(".//{*}remote-server-timeout") is not None
        juliet.abort()
