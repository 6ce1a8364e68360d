"""What the HTTP door serves, on aiohttp; `http` loads it when it is needed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web

from xmpp_server.net import addresses

Health = Callable[[], Mapping[str, object]]
Metrics = Callable[[], Awaitable[bytes]]

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
_SHUTDOWN_S = 1.0
#: A connection lasts for so long, or twice that: aiohttp would wait for ever for one that sends half a request.
LIFETIME_S = 60.0


class Pages:
    """The pages, on sockets that listen already."""

    def __init__(self, health: Health, metrics: Metrics, lifetime_s: float = LIFETIME_S) -> None:
        self._health = health
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/health", self._get_health)
        app.router.add_get("/metrics", self._get_metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        self._lifetime_s = lifetime_s
        self._old: set[web.RequestHandler] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections."""
        await self._runner.setup()
        for one in sockets:
            await web.SockSite(self._runner, one, backlog=addresses.BACKLOG).start()
        self._sweep()

    async def stop(self) -> None:
        """Close the sockets and end what is under way."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._runner.cleanup()

    def _sweep(self) -> None:
        """Close the connections that were there at the last look: no request takes that long."""
        server = self._runner.server
        connections = set() if server is None else set(server.connections)
        for one in connections & self._old:
            one.force_close()
        self._old = connections
        self._sweeping = asyncio.get_running_loop().call_later(self._lifetime_s, self._sweep)

    async def _get_health(self, request: web.Request) -> web.Response:
        state = self._health()
        return web.json_response(dict(state), status=200 if state.get("status", "ok") == "ok" else 503)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers={"Content-Type": _METRICS_TYPE})
