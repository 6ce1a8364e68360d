"""How bytes come in: streamed to the store, in time, no more than allowed, looked at, all or nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from components.xmpp_files.scanner import Scanner, Verdict
from components.xmpp_files.settings import HttpSettings
from components.xmpp_files.storage import FullError, Storage, StorageError, TakenError, Upload

log = structlog.get_logger(__name__)

#: Gathered before the disk's thread is woken.
_WRITE_BYTES = 1 << 20
_GRACE_S = 30.0
#: No upload takes longer, however large; so much after its slot it is known whether there is a file.
LONGEST_S = 6 * 3600


class RefusedError(Exception):
    """The upload ends; tells the client why."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Intake:
    """One for the whole program: `running` counts what is under way, by who uploads."""

    storage: Storage
    scanner: Scanner
    settings: HttpSettings
    running: Counter[str]

    @contextmanager
    def turn(self, uploader: str) -> Iterator[None]:
        """Bound what is under way, of all and of one user.

        Raises:
            RefusedError: It is too much.

        """
        if self.running.total() >= self.settings.uploads or (self.running[uploader] >= self.settings.uploads_per_user):
            raise RefusedError(503, "Too many uploads at one time", {"Retry-After": "10"})
        self.running[uploader] += 1
        try:
            yield
        finally:
            self.running[uploader] -= 1
            if not self.running[uploader]:
                del self.running[uploader]

    async def store(self, file_id: str, chunks: AsyncIterator[bytes], *, most: int, least: int = 0) -> int:
        """Store a file; return its bytes. When this returns it is on stable storage and can be read.

        Args:
            file_id: Under which id; not in use.
            chunks: The data as it comes.
            most: More bytes are refused; the store is asked for so much room.
            least: Fewer bytes are refused.

        Raises:
            RefusedError: There is no file, and no trace of it.

        """
        try:
            upload = await self.storage.begin(file_id, most)
            try:
                size = await self._receive(chunks, upload, most)
                if size < least:
                    raise RefusedError(400, "Less data than the slot is for")
                await upload.seal()
                await self._scan(upload)
                await upload.commit()
            except BaseException:
                await asyncio.shield(upload.abort())
                raise
        except TakenError:
            raise RefusedError(409, "This slot is used already") from None
        except FullError:
            log.error("store-full")
            raise RefusedError(507, "The store is full") from None
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            raise RefusedError(500, "The store failed") from None
        return size

    async def _receive(self, chunks: AsyncIterator[bytes], upload: Upload, most: int) -> int:
        """Copy the body; too much and too slow are refused."""
        loop = asyncio.get_running_loop()
        last = loop.time() + min(LONGEST_S, _GRACE_S + most / self.settings.min_bytes_per_s)
        size, gathered = 0, bytearray()
        try:
            async with asyncio.timeout(None) as timer:
                timer.reschedule(min(last, loop.time() + self.settings.idle_timeout_s))
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise RefusedError(413, f"More than {most} bytes")
                    gathered += chunk
                    if len(gathered) >= _WRITE_BYTES:
                        timer.reschedule(None)  # a slow disk is not the client's fault
                        await upload.write(gathered)
                        gathered = bytearray()
                    timer.reschedule(min(last, loop.time() + self.settings.idle_timeout_s))
        except TimeoutError:
            raise RefusedError(408, "The upload is too slow") from None
        except (ConnectionError, web.PayloadAccessError, web.RequestPayloadError):
            raise RefusedError(400, "The upload was cut") from None
        if gathered:
            await upload.write(gathered)
        return size

    async def _scan(self, upload: Upload) -> None:
        if upload.path is None:
            return
        match await self.scanner.verdict(upload.path):
            case Verdict.INFECTED:
                raise RefusedError(422, "The file is harmful")
            case Verdict.UNKNOWN:
                raise RefusedError(503, "The file could not be examined", {"Retry-After": "60"})
