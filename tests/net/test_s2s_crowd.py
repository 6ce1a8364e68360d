"""Many servers below one domain are called a few at a time; others do not wait for them."""

from __future__ import annotations

import asyncio

import pytest

from xmpp_server.errors import Condition
from xmpp_server.net import s2s_crowd
from xmpp_server.net.s2s_crowd import Crowds
from xmpp_server.net.s2s_link import LinkError


class Calls:
    """Calls that last until the test says so."""

    def __init__(self) -> None:
        self.crowds = Crowds()
        self.end = asyncio.Event()
        self.called: list[str] = []

    async def call(self, domain: str) -> None:
        async with self.crowds.place(domain):
            self.called.append(domain)
            await self.end.wait()


async def test_a_crowd_is_in_nobody_elses_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s_crowd, "AT_ONCE", 2)
    monkeypatch.setattr(s2s_crowd, "WAITING", 2)
    calls = Calls()
    domains = ["evil.test", "a.evil.test", "x.b.evil.test", "c.evil.test", "d.evil.test", "good.test", "localhost"]
    tasks = [asyncio.create_task(calls.call(domain)) for domain in domains]
    await asyncio.sleep(0)
    assert calls.called == ["evil.test", "a.evil.test", "good.test", "localhost"]
    calls.end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    [refused] = [result for result in results if result is not None]
    assert results.index(refused) == domains.index("d.evil.test")
    assert isinstance(refused, LinkError)
    assert refused.condition is Condition.RESOURCE_CONSTRAINT
    assert len(calls.called) == 6
    assert not calls.crowds._crowds


async def test_who_gives_up_leaves_the_place() -> None:
    calls = Calls()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await calls.call("evil.test")
    assert not calls.crowds._crowds
