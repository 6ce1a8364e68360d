"""Questions to authoritative servers are connections that others make us open: few for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from xmpp_server.errors import Condition
from xmpp_server.net import s2s_verify
from xmpp_server.net.s2s_connect import Connector
from xmpp_server.net.s2s_link import Link, LinkError
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.net.s2s_verify import FOR_ONE_PEER, TO_ONE_DOMAIN, VERIFICATIONS, Verifications
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Purpose
from xmpp_server.streams.s2s_events import DialbackRequest

REFUSED = (Verdict.ERROR, Condition.RESOURCE_CONSTRAINT)
AWAY = (Verdict.ERROR, Condition.REMOTE_SERVER_TIMEOUT)


class Nowhere:
    """A network in which nobody answers, and connecting ends when the test says so."""

    def __init__(self) -> None:
        self.links: set[Link] = set()
        self.end = asyncio.Event()
        self.asked: list[str] = []

    async def open(self, pair: Pair, purpose: Purpose) -> Outgoing:
        assert purpose is Purpose.VERIFY
        self.asked.append(pair.target)
        await self.end.wait()
        raise LinkError(Condition.REMOTE_SERVER_TIMEOUT, "nobody")


class Asking:
    def __init__(self) -> None:
        self.network = Nowhere()
        self.verifications = Verifications(self.network, cast(Connector, self.network))
        self.tasks: list[asyncio.Task[tuple[Verdict, Condition | None]]] = []

    async def ask(self, domain: str, peer: str) -> None:
        request = DialbackRequest(Pair(domain, "ours.example"), "id", "key")
        self.tasks.append(asyncio.create_task(self.verifications.verify(request, peer)))
        await asyncio.sleep(0)

    async def answers(self) -> list[tuple[Verdict, Condition | None]]:
        self.network.end.set()
        return list(await asyncio.gather(*self.tasks))


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    asking = Asking()
    yield asking
    await asking.answers()


@pytest.mark.parametrize("peers", [["192.0.2.1"], ["2001:db8::1", "2001:db8::2"]])
async def test_one_peer(asking: Asking, peers: list[str]) -> None:
    """By IPv4 address, or IPv6 /64; others are not affected."""
    for number in range(FOR_ONE_PEER + 1):
        await asking.ask(f"d{number}.example", peers[number % len(peers)])
    await asking.ask("other.example", "192.0.2.9")
    assert len(asking.network.asked) == FOR_ONE_PEER + 1
    assert await asking.answers() == [AWAY] * FOR_ONE_PEER + [REFUSED, AWAY]


async def test_one_domain(asking: Asking) -> None:
    """Many who claim it cannot make us a flood for its server."""
    for number in range(TO_ONE_DOMAIN + 1):
        await asking.ask("victim.example", f"192.0.2.{number}")
    assert await asking.answers() == [AWAY] * TO_ONE_DOMAIN + [REFUSED]


async def test_all(asking: Asking) -> None:
    for number in range(VERIFICATIONS + 1):
        await asking.ask(f"d{number}.example", f"192.0.2.{number}")
    assert await asking.answers() == [AWAY] * VERIFICATIONS + [REFUSED]


async def test_nothing_is_remembered(asking: Asking) -> None:
    for _ in range(3):
        asking.network.end.clear()
        asking.tasks.clear()
        for number in range(FOR_ONE_PEER):
            await asking.ask(f"d{number}.example", "192.0.2.1")
        assert await asking.answers() == [AWAY] * FOR_ONE_PEER
    assert not asking.verifications._open
    assert not asking.verifications._peers
    assert not asking.verifications._domains


async def test_time_is_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s_verify, "VERIFY_S", 0.01)
    await asking.ask("d.example", "192.0.2.1")
    assert await asyncio.gather(*asking.tasks) == [AWAY]
