"""PUT: a slot becomes a file, streamed to the store with its exact length (XEP-0363 §7)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from components.xmpp_files import media_types
from components.xmpp_files.headers import answer, refuse
from components.xmpp_files.index import Index
from components.xmpp_files.scanner import Scanner, Verdict
from components.xmpp_files.settings import HttpSettings
from components.xmpp_files.slots import Slot, SlotError, SlotSigner
from components.xmpp_files.storage import FullError, Storage, StorageError, TakenError, Upload

log = structlog.get_logger(__name__)

#: Gathered before the disk's thread is woken.
_WRITE_BYTES = 1 << 20
_GRACE_S = 30.0
#: No upload takes longer, however large; so much after its slot it is known whether there is a file.
LONGEST_S = 6 * 3600


class _RefusedError(Exception):
    """The upload ends; tells the client why."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Uploads:
    """Handles PUT.

    A slot is verified by its signature alone; the index only hears of the file when it is stored.
    """

    signer: SlotSigner
    storage: Storage
    index: Index
    scanner: Scanner
    settings: HttpSettings
    running: Counter[str]

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Answer 201 when the file is on stable storage and can be read, or say why not."""
        slot: Slot | None = None
        try:
            slot = self._slot(request)
            _check_headers(request, slot)
            with self._turn(slot):
                await self._store(request, slot)
        except _RefusedError as refused:
            log.info("upload-refused", file=slot.id[:6] if slot else "", status=refused.status, reason=refused.text)
            return refuse(refused.status, refused.text, refused.headers)
        log.info("uploaded", file=slot.id[:6], size=slot.size)
        return answer(201)

    def _slot(self, request: web.Request) -> Slot:
        parts = request.match_info
        try:
            return self.signer.verified(parts["id"], parts["name"], request.query.get("slot", ""), int(time.time()))
        except SlotError:
            raise _RefusedError(403, "This is no valid upload slot") from None

    @contextmanager
    def _turn(self, slot: Slot) -> Iterator[None]:
        """Bound what is under way, of all and of one user."""
        if self.running.total() >= self.settings.uploads or (
            self.running[slot.uploader] >= self.settings.uploads_per_user
        ):
            raise _RefusedError(503, "Too many uploads at one time", {"Retry-After": "10"})
        self.running[slot.uploader] += 1
        try:
            yield
        finally:
            self.running[slot.uploader] -= 1
            if not self.running[slot.uploader]:
                del self.running[slot.uploader]

    async def _store(self, request: web.Request, slot: Slot) -> None:
        try:
            upload = await self.storage.begin(slot.id, slot.size)
            try:
                await self._receive(request, slot, upload)
                await upload.seal()
                await self._scan(upload)
                await upload.commit()
            except BaseException:
                await asyncio.shield(upload.abort())
                raise
        except TakenError:
            raise _RefusedError(409, "This slot is used already") from None
        except FullError:
            log.error("store-full")
            raise _RefusedError(507, "The store is full") from None
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            raise _RefusedError(500, "The store failed") from None
        await self._note(slot)

    async def _receive(self, request: web.Request, slot: Slot, upload: Upload) -> None:
        """Copy the body; too little, too much and too slow are refused."""
        await _continue(request)
        loop = asyncio.get_running_loop()
        last = loop.time() + min(LONGEST_S, _GRACE_S + slot.size / self.settings.min_bytes_per_s)
        missing, gathered = slot.size, bytearray()
        try:
            async with asyncio.timeout(None) as timer:
                timer.reschedule(min(last, loop.time() + self.settings.idle_timeout_s))
                async for chunk in request.content.iter_any():
                    missing -= len(chunk)
                    if missing < 0:
                        raise _RefusedError(413, "More data than the slot is for")
                    gathered += chunk
                    if len(gathered) >= _WRITE_BYTES:
                        timer.reschedule(None)  # a slow disk is not the client's fault
                        await upload.write(gathered)
                        gathered = bytearray()
                    timer.reschedule(min(last, loop.time() + self.settings.idle_timeout_s))
        except TimeoutError:
            raise _RefusedError(408, "The upload is too slow") from None
        except (ConnectionError, web.PayloadAccessError, web.RequestPayloadError):
            raise _RefusedError(400, "The upload was cut") from None
        if missing:
            raise _RefusedError(400, "Less data than the slot is for")
        if gathered:
            await upload.write(gathered)

    async def _scan(self, upload: Upload) -> None:
        if upload.path is None:
            return
        match await self.scanner.verdict(upload.path):
            case Verdict.INFECTED:
                raise _RefusedError(422, "The file is harmful")
            case Verdict.UNKNOWN:
                raise _RefusedError(503, "The file could not be examined", {"Retry-After": "60"})

    async def _note(self, slot: Slot) -> None:
        try:
            await self.index.settle(slot.id)
        except StorageError as error:  # the file is there; the purge looks again after the slot's end
            log.warning("index-failed", reason=str(error))


def _check_headers(request: web.Request, slot: Slot) -> None:
    if "Content-Encoding" in request.headers:
        raise _RefusedError(415, "Content-Encoding is not taken")
    if request.content_length is None:
        raise _RefusedError(411, "Content-Length is needed")
    if request.content_length != slot.size:  # XEP-0363 §7: MUST
        raise _RefusedError(413, f"The slot is for {slot.size} bytes")
    wanted, given = slot.content_type, request.headers.get("Content-Type")
    if wanted and given and media_types.essence(wanted) != media_types.essence(given):
        raise _RefusedError(415, f"The slot is for {wanted}")


async def leave_waiting(_request: web.Request) -> None:
    """Handle "Expect: 100-continue" later: only who may upload is told to go on."""


async def _continue(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # not part of the answer
