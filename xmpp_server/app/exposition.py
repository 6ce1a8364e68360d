"""The metrics in Prometheus' text format, written when asked for; loaded by the first who asks."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from xmpp_server import __version__
from xmpp_server.app.metrics import Counters

if TYPE_CHECKING:
    from xmpp_server.core.session import Session
    from xmpp_server.net.certificates import KeyPair

PREFIX = "xmpp_"


class _Snapshot(Collector):
    """The state at the moment of asking."""

    def __init__(self, counters: Counters, sessions: Iterable[Session], queued: int, pairs: Iterable[KeyPair]) -> None:
        self._counters = counters
        self._sessions = sessions
        self._queued = queued
        self._pairs = pairs

    def collect(self) -> Iterator[Metric]:
        """Yield a metric for each counter and gauge."""
        for one in dataclasses.fields(self._counters):
            value = getattr(self._counters, one.name)
            yield CounterMetricFamily(PREFIX + one.name, one.metadata["help"], value=value)
        states = Counter(
            (session.host.name, "hibernated" if session.transport is None else "connected")
            for session in self._sessions
        )
        sessions = GaugeMetricFamily(
            f"{PREFIX}sessions", "Sessions, by domain; hibernated ones wait for their client", labels=("host", "state")
        )
        for (host, state), count in sorted(states.items()):
            sessions.add_metric((host, state), count)
        yield sessions
        yield GaugeMetricFamily(f"{PREFIX}storage_queued", "Writes not yet committed", value=self._queued)
        ends = GaugeMetricFamily(
            f"{PREFIX}certificate_expiry_seconds",
            "When the certificates in force end, in seconds since the epoch",
            labels=("name", "self_signed"),
        )
        for pair in {pair.source: pair for pair in self._pairs}.values():
            name = next(iter(pair.names.hosts), pair.source)
            ends.add_metric((name, str(pair.is_self_signed).lower()), pair.not_after.timestamp())
        yield ends
        info = GaugeMetricFamily(f"{PREFIX}server", "Always 1, with the version", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info


def render(counters: Counters, sessions: Sequence[Session], queued: int, pairs: Sequence[KeyPair] = ()) -> bytes:
    """Return all metrics in Prometheus' text format.

    Args:
        counters: What has happened since the start.
        sessions: All sessions.
        queued: Writes that storage has not committed yet.
        pairs: The certificates in force.

    """
    registry = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(_Snapshot(counters, sessions, queued, pairs))
    return generate_latest(registry)
