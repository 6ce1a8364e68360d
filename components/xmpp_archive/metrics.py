"""What the archive counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree as ET

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from components.xmpp_archive.errors import ArchiveError

#: Seconds: a page of the last 50 takes some milliseconds, a search of a large archive may take long.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ASKED = frozenset({"query", "metadata", "prefs"})


class Metrics:
    """Counters of one program, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._batches = Counter("xmpp_archive_batches", "Batches committed", registry=registry)
        self._messages = Counter("xmpp_archive_messages", "Messages in batches that were committed", registry=registry)
        self._failures = Counter(
            "xmpp_archive_failures", "Requests that failed by the database", ("request",), registry=registry
        )
        self._waiting = Gauge(
            "xmpp_archive_waiting",
            "Requests that wait for the database or are at work",
            ("request",),
            registry=registry,
        )
        self._seconds = Histogram(
            "xmpp_archive_request_seconds",
            "From a request to its answer, waiting included",
            ("request",),
            buckets=_BUCKETS,
            registry=registry,
        )
        #: Whether the database did what the last request wanted of it.
        self.is_well = True

    @contextmanager
    def request(self, payload: ET.Element) -> Iterator[None]:
        """Count a request while it is answered, by what it is: "store", "query", "metadata", "prefs"."""
        name = _name(payload)
        began = time.perf_counter()
        try:
            with self._waiting.labels(name).track_inprogress():
                yield
        except ArchiveError:
            self._failures.labels(name).inc()
            self.is_well = False
            raise
        finally:
            self._seconds.labels(name).observe(time.perf_counter() - began)
        self.is_well = True
        if name == "store":
            self._batches.inc()
            self._messages.inc(sum(1 for item in payload if item.tag.endswith("}entry")))


def _name(payload: ET.Element) -> str:
    """Return the local name of `<store/>`, or of what is asked in `<ask/>`."""
    names = [element.tag.rpartition("}")[2] for element in (payload, *payload[:1])]
    if names[0] == "store":
        return "store"
    return names[1] if names[1:] and names[1] in _ASKED else "other"
