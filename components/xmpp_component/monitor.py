"""The HTTP door for operators: /health (JSON; 503 unless all is well) and /metrics (Prometheus' text format).

It has no access control: it belongs on loopback, or behind something that has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from components.xmpp_component.addresses import Doors
from components.xmpp_component.settings import Monitor as Settings

if TYPE_CHECKING:
    from aiohttp import web

_STOP_S = 1.0

#: What must be so for all to be well, by name.
Checks = Mapping[str, Callable[[], bool]]


def new_registry() -> CollectorRegistry:
    """Return a registry that has what all processes have: memory, CPU, open files, garbage."""
    registry = CollectorRegistry(auto_describe=True)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


async def nothing() -> None:
    """Refresh nothing."""


class Monitor:
    """Serves both pages; without addresses it does nothing, and aiohttp is not even loaded for it."""

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        checks: Checks,
        refresh: Callable[[], Awaitable[None]] = nothing,
    ) -> None:
        """Take what is shown; `refresh` is called before each page of metrics."""
        self._settings = settings
        self._registry = registry
        self._checks = checks
        self._refresh = refresh
        self._doors = Doors()
        self._runner: web.AppRunner | None = None

    async def start(self) -> list[str]:
        """Listen; return the addresses.

        Raises:
            OSError: One cannot be bound.

        """
        if not self._settings.listen:
            return []
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp made no server")
        return await self._doors.open(self._settings.listen, server)

    async def stop(self) -> None:
        """Close the doors."""
        await self._doors.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        checks = {name: is_well() for name, is_well in self._checks.items()}
        well = all(checks.values())
        return web.json_response({"status": "ok" if well else "failing", "checks": checks}, status=200 if well else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        await self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
