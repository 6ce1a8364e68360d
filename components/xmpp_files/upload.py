"""PUT: a slot becomes a file, streamed to the store with its exact length (XEP-0363 §7)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from aiohttp import web

from components.xmpp_files import media_types
from components.xmpp_files.headers import answer, refuse
from components.xmpp_files.index import Index
from components.xmpp_files.intake import Intake, RefusedError
from components.xmpp_files.slots import Slot, SlotError, SlotSigner
from components.xmpp_files.storage import StorageError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Handles PUT.

    A slot is verified by its signature alone; the index only hears of the file when it is stored.
    """

    signer: SlotSigner
    index: Index
    intake: Intake

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Answer 201 when the file is on stable storage and can be read, or say why not."""
        slot: Slot | None = None
        try:
            slot = self._slot(request)
            _check_headers(request, slot)
            with self.intake.turn(slot.uploader):
                await self._store(request, slot)
        except RefusedError as refused:
            log.info("upload-refused", file=slot.id[:6] if slot else "", status=refused.status, reason=refused.text)
            return refuse(refused.status, refused.text, refused.headers)
        log.info("uploaded", file=slot.id[:6], size=slot.size)
        return answer(201)

    def _slot(self, request: web.Request) -> Slot:
        parts = request.match_info
        try:
            return self.signer.verified(parts["id"], parts["name"], request.query.get("slot", ""), int(time.time()))
        except SlotError:
            raise RefusedError(403, "This is no valid upload slot") from None

    async def _store(self, request: web.Request, slot: Slot) -> None:
        await self.intake.store(slot.id, _body(request), most=slot.size, least=slot.size)
        await self._note(slot)

    async def _note(self, slot: Slot) -> None:
        try:
            await self.index.settle(slot.id)
        except StorageError as error:  # the file is there; the purge looks again after the slot's end
            log.warning("index-failed", reason=str(error))


def _check_headers(request: web.Request, slot: Slot) -> None:
    if "Content-Encoding" in request.headers:
        raise RefusedError(415, "Content-Encoding is not taken")
    if request.content_length is None:
        raise RefusedError(411, "Content-Length is needed")
    if request.content_length != slot.size:  # XEP-0363 §7: MUST
        raise RefusedError(413, f"The slot is for {slot.size} bytes")
    wanted, given = slot.content_type, request.headers.get("Content-Type")
    if wanted and given and media_types.essence(wanted) != media_types.essence(given):
        raise RefusedError(415, f"The slot is for {wanted}")


async def leave_waiting(_request: web.Request) -> None:
    """Handle "Expect: 100-continue" later: only who may upload is told to go on."""


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    await go_on(request)
    async for chunk in request.content.iter_any():
        yield chunk


async def go_on(request: web.Request) -> None:
    """Tell a client that waits for it to send the body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # not part of the answer
