"""The HTTP door for operators: health and metrics."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from xmpp_server.net import addresses

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
_SHUTDOWN_S = 1.0


class HttpServer:
    """Serves /health (JSON; 503 unless its status is "ok") and /metrics (Prometheus text)."""

    def __init__(self, health: Callable[[], Mapping[str, object]], metrics: Callable[[], bytes]) -> None:
        self._health = health
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._bound: list[socket.socket] = []

    async def start(self, texts: Iterable[str]) -> list[str]:
        """Listen on addresses of the forms of `addresses.parse_address`; return those bound, with real ports.

        Raises:
            AddressError: One is malformed.
            OSError: One cannot be bound; then none is.

        """
        app = web.Application()
        app.router.add_get("/health", self._get_health)
        app.router.add_get("/metrics", self._get_metrics)
        bound = self._bound = await addresses.bind(texts)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        names = [addresses.describe(one) for one in bound]
        for one in bound:
            await web.SockSite(self._runner, one, backlog=addresses.BACKLOG).start()
        return names

    async def stop(self) -> None:
        """Listen no more and end what is under way."""
        if self._runner is not None:
            addresses.remove_files(self._bound)
            self._bound = []
            await self._runner.cleanup()
            self._runner = None

    async def _get_health(self, request: web.Request) -> web.Response:
        state = self._health()
        return web.json_response(dict(state), status=200 if state.get("status", "ok") == "ok" else 503)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": _METRICS_TYPE})
