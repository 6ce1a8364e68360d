"""What file transfer counts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from prometheus_client import CollectorRegistry

from components.xmpp_component.errors import RequestError
from components.xmpp_files.metrics import Metrics, RelayMetrics
from components.xmpp_files.relay import Relay
from components.xmpp_files.requests import too_large
from components.xmpp_files.settings import ProxySettings
from tests.components.waiting import until


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


async def counted(registry: CollectorRegistry, name: str, **labels: str) -> None:
    """Wait until one was counted: an answer that is sent in one piece has arrived before it is."""
    await until(lambda: value(registry, name, **labels) == 1)


async def test_bytes_of_uploads_and_downloads(server) -> None:
    url = await server.stored(bytes(1_000_000))
    async with server.client.get(url, headers={"Range": "bytes=100000-599999"}) as answer:
        assert len(await answer.read()) == 500_000
    async with server.client.head(url) as answer:
        assert answer.status == 200
    registry = server.registry
    for method, status in (("PUT", "201"), ("GET", "206"), ("HEAD", "200")):
        await counted(registry, "xmpp_files_requests_total", method=method, status=status)
    assert value(registry, "xmpp_files_received_bytes_total") == 1_000_000
    sent = value(registry, "xmpp_files_sent_bytes_total")
    assert sent is not None
    assert 500_000 < sent < 503_000  # with headers


async def test_refused_uploads_are_counted_by_reason(server) -> None:
    put, _, _ = await server.slot(10)
    assert await server.put(put, b"too long for it") == 413
    assert await server.put(put.replace("?slot=", "?slot=x"), b"0123456789") == 403
    for reason in ("wrong-length", "no-slot"):
        await counted(server.registry, "xmpp_files_uploads_refused_total", reason=reason)


async def test_paths_that_are_none_are_counted(server) -> None:
    async with server.client.get(f"{server.http.url}/nothing") as answer:
        assert answer.status == 404
    async with server.client.request("PROPFIND", f"{server.http.url}/nothing") as answer:
        assert answer.status == 404
    for method in ("GET", "other"):
        await counted(server.registry, "xmpp_files_requests_total", method=method, status="404")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RequestError("forbidden", "auth"), "forbidden"),
        (too_large(5), "file-too-large"),
        (RequestError("resource-constraint", "wait", "", ET.Element("{urn:x}retry")), "retry"),
    ],
)
def test_refused_slots_are_counted_by_reason(error: RequestError, reason: str) -> None:
    registry = CollectorRegistry()
    Metrics(registry).refused(error)
    assert value(registry, "xmpp_files_slots_refused_total", reason=reason) == 1


def test_the_proxy_is_looked_at_when_asked() -> None:
    registry = CollectorRegistry()
    relay = Relay(ProxySettings())
    RelayMetrics(relay, registry)
    relay.relayed_bytes, relay.activated = 7, 2
    assert value(registry, "xmpp_files_proxy_bytes_total") == 7
    assert value(registry, "xmpp_files_proxy_streams_total") == 2
    assert value(registry, "xmpp_files_proxy_connections") == 0
