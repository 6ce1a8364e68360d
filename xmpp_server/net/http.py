"""The HTTP door for operators: health and metrics.

It listens from the start, but what serves is loaded when somebody first knocks: aiohttp takes 11 MiB and 0.2 s, which
a server that nobody watches need not pay, and clients need not wait for.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from xmpp_server.net import addresses

if TYPE_CHECKING:
    from xmpp_server.net.http_pages import Health, Metrics, Pages

log = structlog.get_logger(__name__)


class HttpServer:
    """Serves /health (JSON; 503 unless its status is "ok") and /metrics (Prometheus text)."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics
        self._bound: list[socket.socket] = []
        self._serving: asyncio.Task[Pages | None] | None = None

    async def start(self, texts: Iterable[str]) -> list[str]:
        """Listen on addresses of the forms of `addresses.parse_address`; return those bound, with real ports.

        Raises:
            AddressError: One is malformed.
            OSError: One cannot be bound; then none is.

        """
        self._bound = await addresses.bind(texts)
        loop = asyncio.get_running_loop()
        for one in self._bound:
            loop.add_reader(one, self._knocked)
        return [addresses.describe(one) for one in self._bound]

    async def stop(self) -> None:
        """Listen no more and end what is under way."""
        self._stop_waiting()
        bound, self._bound = self._bound, []
        addresses.remove_files(bound)
        serving, self._serving = self._serving, None
        if serving is not None and (pages := await serving) is not None:
            await pages.stop()
        addresses.close(bound)

    def _knocked(self) -> None:
        """Begin to serve; whoever connects meanwhile waits in the backlog."""
        self._stop_waiting()
        self._serving = asyncio.get_running_loop().create_task(self._serve(), name="http")

    def _stop_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        for one in self._bound:
            if one.fileno() >= 0:
                loop.remove_reader(one)

    async def _serve(self) -> Pages | None:
        try:
            # In a thread: sessions need not wait for the import.
            pages = (await asyncio.to_thread(_load_pages))(self._health, self._metrics)
            await pages.start(self._bound)
        except Exception:
            log.exception("http-failed")
            return None
        return pages


def _load_pages() -> type[Pages]:
    from xmpp_server.net.http_pages import Pages

    return Pages
