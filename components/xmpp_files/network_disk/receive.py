"""Files that a browser sends by a form (RFC 7578), streamed to the store one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import BodyPartReader, MultipartReader, web

from components.xmpp_files import media_types
from components.xmpp_files import names as file_names
from components.xmpp_files.intake import Intake, RefusedError
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.sessions import Session
from components.xmpp_files.upload import go_on

log = structlog.get_logger(__name__)

_FIELDS = 10
_FIELD_BYTES = 1024
_FILES = 1000
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes forms; a form's fields come before its files, else nobody knows where those belong."""

    disk: Disk
    intake: Intake

    async def receive(self, request: web.Request, session: Session) -> tuple[str, int]:
        """Store the files of a form; return the store and the folder that they are in.

        Raises:
            RefusedError: One of them is not stored, nor those after it.
            DiskError: The same.
            StorageError: The same.

        """
        if request.content_length is None:
            raise RefusedError(411, "Content-Length is needed")
        if request.content_type != "multipart/form-data":
            raise RefusedError(415, "This is no form with files")
        try:
            await go_on(request)
            reader = await request.multipart()
            fields, part = await self._fields(reader)
            if not session.is_own(fields.get("csrf", "")):
                raise DiskError(Reason.FORBIDDEN, "This form is not from this page: open it again")
            store, folder = fields.get("store", ""), fields.get("folder", "")
            if not (folder.isascii() and folder.isdigit() and len(folder) < 16):
                raise DiskError(Reason.BAD, "There is no such folder")
            count, left = 0, request.content_length
            while part is not None and count < _FILES:
                count += 1
                left -= await self._store(session, store, int(folder), part, left)
                part = await self._next(reader)
        except (ConnectionError, web.RequestPayloadError, ValueError, AssertionError):
            raise RefusedError(400, "The form is damaged") from None
        return store, int(folder)

    async def _fields(self, reader: MultipartReader) -> tuple[Mapping[str, str], BodyPartReader | None]:
        """Read up to the first file."""
        fields: dict[str, str] = {}
        while (part := await self._next(reader)) is not None:
            if part.filename is not None:
                return fields, part
            if len(fields) >= _FIELDS:
                raise RefusedError(400, "The form is damaged")
            fields[part.name or ""] = await self._field(part)
        return fields, None

    async def _field(self, part: BodyPartReader) -> str:
        data = bytearray()
        try:
            async with asyncio.timeout(self.intake.settings.idle_timeout_s):
                async for chunk in _chunks(part):
                    data += chunk
                    if len(data) > _FIELD_BYTES:
                        raise RefusedError(413, "The form is too large")
        except TimeoutError:
            raise RefusedError(408, "The upload is too slow") from None
        return data.decode("utf-8")

    async def _next(self, reader: MultipartReader) -> BodyPartReader | None:
        try:
            async with asyncio.timeout(self.intake.settings.idle_timeout_s):
                part = await reader.next()
        except TimeoutError:
            raise RefusedError(408, "The upload is too slow") from None
        if isinstance(part, MultipartReader):
            raise RefusedError(400, "The form is damaged")
        return part

    async def _store(self, session: Session, store: str, folder: int, part: BodyPartReader, left: int) -> int:
        """Store a file that has at most `left` bytes; return how many it has."""
        name = file_names.cleaned(part.filename or "")
        if not name:  # a form that was sent without choosing a file
            await part.release()
            return 0
        most = min(left, self.disk.upload.max_file_bytes)
        content_type = media_types.parsed(part.headers.get("Content-Type", "")) or media_types.UNKNOWN
        now = int(time.time())
        # Its size is known when it is here: until then the largest that it can be counts.
        file = await self.disk.reserve(session.jid, store, folder, most, content_type, now, now, None)
        try:
            with self.intake.turn(self.disk.signer.uploader(session.jid)):
                size = await self.intake.store(file.id, _chunks(part), most=most)
            entry = await self.disk.settle(session.jid, file, folder, name, size, now)
        except BaseException:
            await asyncio.shield(self.disk.give_back(file))
            raise
        log.info("disk-put", user=session.jid, store=store, file=file.id[:6], size=size, entry=entry.id)
        return size


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk
