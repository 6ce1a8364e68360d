"""The door for operators."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from components.xmpp_component.monitor import Monitor, new_registry
from components.xmpp_component.settings import Monitor as Settings


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def test_health_tells_what_is_not_well(client: aiohttp.ClientSession) -> None:
    well = {"a": True, "b": True}
    checks = {name: (lambda name=name: well[name]) for name in well}
    monitor = Monitor(Settings(listen=("127.0.0.1:0",)), new_registry(), checks)
    (address,) = await monitor.start()
    async with client.get(f"http://{address}/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok", "checks": {"a": True, "b": True}})
    well["b"] = False
    async with client.get(f"http://{address}/health") as answer:
        assert (answer.status, await answer.json()) == (503, {"status": "failing", "checks": {"a": True, "b": False}})
    await monitor.stop()


async def test_metrics_are_refreshed_and_told(client: aiohttp.ClientSession) -> None:
    registry = new_registry()
    counter, gauge = Counter("c", "A counter", registry=registry), Gauge("g", "A gauge", registry=registry)

    async def refresh() -> None:
        gauge.inc()

    monitor = Monitor(Settings(listen=("127.0.0.1:0",)), registry, {}, refresh)
    (address,) = await monitor.start()
    counter.inc(3)
    for count in (1, 2):
        async with client.get(f"http://{address}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = {one.name: one for one in text_string_to_metric_families(await answer.text())}
        assert families["c"].samples[0].value == 3
        assert families["g"].samples[0].value == count
        assert families["process_cpu_seconds"].samples[0].value > 0
    await monitor.stop()


async def test_without_addresses_there_is_no_door() -> None:
    monitor = Monitor(Settings(), new_registry(), {})
    assert await monitor.start() == []
    await monitor.stop()


async def test_an_address_in_use_is_told(client: aiohttp.ClientSession) -> None:
    first = Monitor(Settings(listen=("127.0.0.1:0",)), new_registry(), {})
    addresses = await first.start()
    second = Monitor(Settings(listen=tuple(addresses)), new_registry(), {})
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()
    await first.stop()
