"""Small versions of images, made when somebody asks for one, by a process of its own, and remembered for a while."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from pathlib import Path

import structlog

from components.xmpp_files import media_types
from components.xmpp_files.index import File
from components.xmpp_files.settings import ThumbnailSettings
from components.xmpp_files.storage import Reader, Storage, StorageError

log = structlog.get_logger(__name__)

#: What the worker decodes. SVG is not among them, nor what needs a video decoder.
TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_WORKER = Path(__file__).with_name("thumbnail_worker.py")
_PARALLEL = 2
_MOST_WAITING = 50
_READ_BYTES = 1 << 20
#: What a small image takes of the memory besides itself, roughly.
_ENTRY_BYTES = 500


class BusyError(Exception):
    """Too many are being made; later there may be one."""


class Thumbnails:
    """Thumbnails of stored files.

    One is as good as its file for ever, so that what was made is kept as long as there is room. That there is none of a
    file is remembered, too: nobody makes us try again and again.
    """

    def __init__(self, settings: ThumbnailSettings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        self._turns = asyncio.Semaphore(_PARALLEL)
        self._making: dict[str, asyncio.Task[bytes | None]] = {}
        self._made: OrderedDict[str, bytes | None] = OrderedDict()
        self._made_bytes = 0

    async def of(self, file: File) -> bytes | None:
        """Return a JPEG or PNG; None if there is none of this file.

        Raises:
            BusyError: Not now.
            StorageError: The file cannot be read.

        """
        if not media_types.is_in(file.content_type, TYPES) or file.size > self._settings.max_file_bytes:
            return None
        if file.id in self._made:
            self._made.move_to_end(file.id)
            return self._made[file.id]
        task = self._making.get(file.id)
        if task is None:
            if len(self._making) >= _MOST_WAITING:
                raise BusyError
            task = self._making[file.id] = asyncio.create_task(self._make(file), name="thumbnail")
            task.add_done_callback(lambda _: self._making.pop(file.id))
        return await asyncio.shield(task)  # others may wait for it as well

    async def close(self) -> None:
        """Make no more."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, file: File) -> bytes | None:
        async with self._turns:
            reader = await self._storage.reader(file.id)
            if reader is None:
                return None
            try:
                data = await _all(reader)
            finally:
                await reader.close()
            small = await self._work(file, data)
        self._remember(file.id, small)
        return small

    async def _work(self, file: File, data: bytes) -> bytes | None:
        settings = self._settings
        numbers = (settings.side, settings.max_pixels, settings.memory_bytes, max(1, int(settings.timeout_s)))
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        words = (sys.executable, "-I", str(_WORKER), *map(str, numbers))
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=pipe, stdout=pipe, stderr=null, cwd="/", env={}
            )
        except OSError as error:
            log.error("thumbnail-failed", reason=error.strerror)
            raise BusyError from None
        try:
            async with asyncio.timeout(settings.timeout_s):
                small, _ = await process.communicate(data)
        except TimeoutError:
            log.warning("thumbnail-failed", file=file.id[:6], reason="timeout")
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            log.info("no-thumbnail", file=file.id[:6], exit_code=process.returncode)
            return None
        return small

    def _remember(self, file_id: str, small: bytes | None) -> None:
        self._made[file_id] = small
        self._made_bytes += _bytes(small)
        while self._made_bytes > self._settings.cache_bytes:
            self._made_bytes -= _bytes(self._made.popitem(last=False)[1])


async def _all(reader: Reader) -> bytes:
    data = bytearray()
    while len(data) < reader.size:
        more = await reader.read(len(data), min(_READ_BYTES, reader.size - len(data)))
        if not more:
            raise StorageError("a file is shorter than it was")
        data += more
    return bytes(data)


def _bytes(small: bytes | None) -> int:
    return _ENTRY_BYTES + len(small or b"")
