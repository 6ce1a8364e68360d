"""GET and HEAD: files with ranges, entity tags and the content type that they came with."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import formatdate

import structlog
from aiohttp import web

from components.xmpp_files import media_types, names, ranges
from components.xmpp_files.headers import answer
from components.xmpp_files.index import File, Index
from components.xmpp_files.storage import Reader, Storage, StorageError
from components.xmpp_files.thumbnails import BusyError, Thumbnails

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 256 * 1024
_MAX_AGE_S = 86_400


@dataclass(frozen=True, slots=True)
class Downloads:
    """Handles GET and HEAD; knowing the URL is the permission (XEP-0363 §2).

    Args:
        storage: Where the bytes are.
        index: Where it stands what they are.
        inline_types: What browsers may show instead of saving it.
        idle_timeout_s: How long a client may take for 256 KiB.
        thumbnails: Makes small versions of images; None: there are none, and who asks gets the file.

    """

    storage: Storage
    index: Index
    inline_types: tuple[str, ...]
    idle_timeout_s: float
    thumbnails: Thumbnails | None = None

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer 200, 206, 304, 404 or 416."""
        now = int(time.time())
        try:
            file = await self.index.get(request.match_info["id"])
            if file is None or file.name != request.match_info["name"] or _is_over(file, now):
                return answer(404, "There is no such file")
            return await self.send(request, file)
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            return answer(503, "The store failed", {"Retry-After": "30"})

    async def send(self, request: web.Request, file: File) -> web.StreamResponse:
        """Answer for a file that may be read, or for its thumbnail."""
        try:
            if self.thumbnails is not None and "thumbnail" in request.query:
                return await self._send_thumbnail(request, self.thumbnails, file)
            reader = await self.storage.reader(file.id)
            if reader is None:
                return answer(404, "There is no such file")
            try:
                return await self._answer(request, file, reader, int(time.time()))
            finally:
                await reader.close()
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            return answer(503, "The store failed", {"Retry-After": "30"})

    async def _send_thumbnail(self, request: web.Request, thumbnails: Thumbnails, file: File) -> web.StreamResponse:
        etag = f'"{file.id[:12]}-thumbnail"'
        headers = {"ETag": etag, "Cache-Control": f"private, max-age={_max_age(file, int(time.time()))}"}
        if ranges.is_known(request.headers.get("If-None-Match"), etag):
            return answer(304, headers=headers)
        try:
            small = await thumbnails.of(file)
        except BusyError:
            return answer(503, "Too many thumbnails at one time", {"Retry-After": "10"})
        if small is None:
            return answer(404, "There is no thumbnail of this file", headers)
        headers["Content-Type"] = "image/png" if small.startswith(b"\x89PNG") else "image/jpeg"
        headers["Content-Disposition"] = "inline"
        return web.Response(body=small, headers=headers)

    async def _answer(self, request: web.Request, file: File, reader: Reader, now: int) -> web.StreamResponse:
        # Files never change, and ids are never used again: the id is a strong entity tag.
        etag = f'"{file.id[:12]}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": f"private, max-age={_max_age(file, now)}"}
        if ranges.is_known(request.headers.get("If-None-Match"), etag):
            return answer(304, headers=headers)
        wanted = request.headers.get("Range") if request.method == "GET" else None  # §14.2: only defined for GET
        if not ranges.range_applies(request.headers.get("If-Range"), etag):
            wanted = None
        try:
            part = ranges.part(wanted, reader.size)
        except ranges.UnsatisfiableError:
            return answer(416, headers={"Content-Range": f"bytes */{reader.size}", "Accept-Ranges": "bytes"})
        headers |= self._description(file)
        if part is not None:
            headers["Content-Range"] = part.content_range(reader.size)
        response = web.StreamResponse(status=206 if part else 200, headers=headers)
        part = part or ranges.Part(0, reader.size)
        response.content_length = part.length
        await response.prepare(request)
        if request.method != "HEAD":
            await self._send(request, response, reader, part)
        return response

    def _description(self, file: File) -> dict[str, str]:
        kind = "inline" if media_types.is_in(file.content_type, self.inline_types) else "attachment"
        return {
            "Content-Type": file.content_type,
            "Content-Disposition": names.content_disposition(kind, file.name),
            "Last-Modified": formatdate(file.created, usegmt=True),
        }

    async def _send(
        self, request: web.Request, response: web.StreamResponse, reader: Reader, part: ranges.Part
    ) -> None:
        position = part.start
        try:
            while position < part.end:
                data = await reader.read(position, min(_CHUNK_BYTES, part.end - position))
                if not data:
                    raise StorageError("a file is shorter than it was")
                async with asyncio.timeout(self.idle_timeout_s):
                    await response.write(data)
                position += len(data)
            async with asyncio.timeout(self.idle_timeout_s):
                await response.write_eof()
        except (ConnectionError, TimeoutError):  # the client resumes, or not
            _cut(request)
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            _cut(request)


def _is_over(file: File, now: int) -> bool:
    return file.expires is not None and file.expires <= now


def _max_age(file: File, now: int) -> int:
    return _MAX_AGE_S if file.expires is None else min(_MAX_AGE_S, max(0, file.expires - now))


def _cut(request: web.Request) -> None:
    """End the connection: after part of a body there is no other way to tell that something failed."""
    if request.transport is not None:
        request.transport.abort()
