from __future__ import annotations

from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from xmpp_server import __version__
from xmpp_server.app.exposition import render
from xmpp_server.app.metrics import Counters
from xmpp_server.net.self_signed import ensure_self_signed


def session(host: str, transport: object) -> SimpleNamespace:
    return SimpleNamespace(host=SimpleNamespace(name=host), transport=transport)


def samples(data: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(data.decode())
        for sample in family.samples
    }


def test_counters_and_gauges():
    counters = Counters()
    counters.logins += 2
    found = samples(render(counters, [session("a", 1), session("a", None), session("b", 1)], queued=7))
    assert found["xmpp_logins_total",] == 2
    assert found["xmpp_login_failures_total",] == 0
    assert found["xmpp_sessions", "a", "connected"] == 1
    assert found["xmpp_sessions", "a", "hibernated"] == 1
    assert found["xmpp_sessions", "b", "connected"] == 1
    assert found["xmpp_storage_queued",] == 7
    assert found["xmpp_server", __version__] == 1
    assert found["process_resident_memory_bytes",] > 0


def test_when_certificates_end(tmp_path):
    pair = ensure_self_signed(tmp_path, ["a.example", "b.example"])
    found = samples(render(Counters(), [], 0, [pair, pair]))
    assert found["xmpp_certificate_expiry_seconds", "a.example", "true"] == pair.not_after.timestamp()
