"""What is done on the network disk without being asked: after a crash, and from time to time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from components.xmpp_files.network_disk import changes, sessions, shares
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.rooms import Rooms
from components.xmpp_files.storage import StorageError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Leaves the bytes of what it ends to the purge."""

    disk: Disk
    rooms: Rooms

    async def reconcile(self, now: int) -> int:
        """End what was on its way by a form when the program stopped; return how much that was.

        Raises:
            StorageError: The store fails.

        """
        count = await self.disk.index.change(lambda database: changes.end_homeless(database, now, coming=True))
        if count:
            log.info("disk-reconciled", count=count)
        return count

    async def run(self, interval_s: float) -> None:
        """Repeat until cancelled; a failing store is tried again next time."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.once(int(time.time()))
            except StorageError as error:
                log.error("disk-housekeeping-failed", reason=str(error))

    async def once(self, now: int) -> None:
        """Forget sessions and shares that have ended, and the files of rooms that were destroyed."""
        await self.disk.index.change(lambda database: changes.end_homeless(database, now))
        await self.disk.index.change(lambda database: sessions.forget_old(database, now))
        await self.disk.index.change(lambda database: shares.forget_old(database, now))
        for store in await self.disk.index.read(changes.stores):
            if self.disk.stores.is_room(store) and await self.rooms.is_destroyed(store):
                await self._remove(store, now)
                log.info("disk-of-destroyed-room-removed", room=store)

    async def _remove(self, store: str, now: int) -> None:
        await self.disk.index.change(lambda database: changes.remove_store(database, store, now))
