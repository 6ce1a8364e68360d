"""What file transfer counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from components.xmpp_component.errors import RequestError
from components.xmpp_files.relay import Relay

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Why a PUT came to nothing, by what it was answered with.
REASONS = {
    400: "incomplete",
    403: "no-slot",
    408: "slow",
    409: "slot-used",
    411: "no-length",
    413: "wrong-length",
    415: "wrong-type",
    422: "harmful",
    500: "failed",
    503: "busy",
    507: "full",
}


class Metrics:
    """Counters of one program, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.slots = Counter("xmpp_files_slots", "Upload slots granted", registry=registry)
        self.slot_bytes = Counter("xmpp_files_slot_bytes", "Bytes that slots were granted for", registry=registry)
        self._slots_refused = Counter(
            "xmpp_files_slots_refused", "Requests for a slot that were refused", ("reason",), registry=registry
        )
        self._requests = Counter(
            "xmpp_files_requests", "HTTP requests answered", ("method", "status"), registry=registry
        )
        self._uploads_refused = Counter(
            "xmpp_files_uploads_refused", "Uploads that came to nothing", ("reason",), registry=registry
        )
        self._received = Counter("xmpp_files_received_bytes", "Bytes of files received by HTTP", registry=registry)
        self._sent = Counter(
            "xmpp_files_sent_bytes", "Bytes of files sent by HTTP, with their headers", registry=registry
        )
        self.stored = Gauge("xmpp_files_stored_bytes", "Bytes of files and of slots not yet used", registry=registry)

    def refused(self, error: RequestError) -> None:
        """Count a slot that was not granted: by XEP-0363's own condition if it has one, else by the stanza's."""
        extension = error.extension
        self._slots_refused.labels(error.condition if extension is None else extension.tag.rpartition("}")[2]).inc()

    @web.middleware
    async def middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Count a request when it has ended, well or not."""
        status, response = 500, None
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self._count(request, status, response)
        return response

    def _count(self, request: web.Request, status: int, response: web.StreamResponse | None) -> None:
        method = request.method if request.method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS") else "other"
        self._requests.labels(method, str(status)).inc()
        self._received.inc(request.content.total_bytes)
        if response is not None and response.prepared:  # pages of a line are sent after us, and not counted
            self._sent.inc(request.writer.output_size)
        if method == "PUT" and status >= 400:
            self._uploads_refused.labels(REASONS.get(status, "other")).inc()


class RelayMetrics(Collector):
    """The proxy at the moment of asking."""

    def __init__(self, relay: Relay, registry: CollectorRegistry) -> None:
        self._relay = relay
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield its counters and gauges."""
        relay = self._relay
        yield CounterMetricFamily("xmpp_files_proxy_bytes", "Bytes relayed, both directions", value=relay.relayed_bytes)
        yield CounterMetricFamily("xmpp_files_proxy_streams", "Bytestreams activated", value=relay.activated)
        yield GaugeMetricFamily("xmpp_files_proxy_connections", "Connections of peers now", value=relay.connections)
