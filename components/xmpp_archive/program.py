"""Puts the parts together, starts and stops them in order."""

from __future__ import annotations

import asyncio
import time

import structlog

from components.xmpp_archive.commands import opened
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.link import ArchiveLink
from components.xmpp_archive.metrics import Metrics
from components.xmpp_archive.service import Service
from components.xmpp_archive.settings import Config
from components.xmpp_component.monitor import Monitor, new_registry

log = structlog.get_logger(__name__)


class Program:
    """The archive as it runs: the store, its domain on the server, the purge."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = opened(config)
        registry = new_registry()
        metrics = Metrics(registry)
        self._link = ArchiveLink(config.server, Service(config, self._store), metrics)
        checks = {"connected": lambda: self._link.is_ready, "database": lambda: metrics.is_well}
        self._monitor = Monitor(config.monitor, registry, checks)
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, list[str]]:
        """Open the store, then connect to the server; return the addresses of the door for operators.

        Raises:
            OSError: An address cannot be bound.
            ArchiveError: The store cannot be opened.

        """
        await self._store.open()
        addresses = await self._monitor.start()
        self._purging = asyncio.create_task(self._purge(), name="purge")
        self._link.start()
        return {"monitor": addresses}

    def reload(self) -> None:
        """Do nothing: settings are read at the start."""

    async def stop(self) -> None:
        """Leave the server, close the store."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
        await self._link.stop()
        await self._store.close()
        await self._monitor.stop()

    async def _purge(self) -> None:
        keep = self._config.keep
        if not keep.limits_anything:
            return
        while True:
            try:
                deleted = await self._store.purge(keep, int(time.time() * 1000))
            except ArchiveError as error:
                log.error("purge-failed", reason=str(error)[:500])
            else:
                log.info("purged", entries=deleted)
            await asyncio.sleep(keep.purge_interval_s)
