"""The job that removes what has expired, and slots that nobody used."""

from __future__ import annotations

import asyncio
import time

import structlog

from components.xmpp_files.index import Index
from components.xmpp_files.intake import LONGEST_S
from components.xmpp_files.storage import Storage, StorageError

log = structlog.get_logger(__name__)

_BATCH = 200
#: A PUT that began in the last second of its slot may still run.
_GRACE_S = LONGEST_S + 600


class Purge:
    """Works in small batches, so that uploads and downloads hardly notice."""

    def __init__(self, index: Index, storage: Storage) -> None:
        self._index = index
        self._storage = storage

    async def run(self, interval_s: float) -> None:
        """Repeat until cancelled; a failing store is tried again next time."""
        while True:
            try:
                await self.once(int(time.time()))
            except StorageError as error:
                log.error("purge-failed", reason=str(error))
            await asyncio.sleep(interval_s)

    async def once(self, now: int) -> int:
        """Remove all that is due; return how many files and slots that were."""
        count = await self._expire(now) + await self._settle(now)
        await self._index.forget_old_hours(now)
        if count:
            log.info("purged", count=count)
        return count

    async def _expire(self, now: int) -> int:
        count = 0
        while files := await self._index.expired(now, _BATCH):
            for file in files:
                await self._storage.delete(file.id)  # before the row, so that a crash leaves no orphan
                await self._index.remove(file.id)
            count += len(files)
        return count

    async def _settle(self, now: int) -> int:
        """Slots that ended long ago: the file is there and the note of it was lost, or there never was one."""
        count = 0
        while files := await self._index.unsettled(now - _GRACE_S, _BATCH):
            for file in files:
                if await self._storage.exists(file.id):
                    await self._index.settle(file.id)
                else:
                    await self._index.give_back(file)
                    count += 1
        return count
