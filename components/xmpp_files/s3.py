"""The store in a bucket of S3, or of what speaks its protocol: one object each, its key the id.

A file comes in parts of some megabytes, and S3 shows it to nobody before the last one is confirmed. Nothing of it is
kept here but one part for each upload under way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from components.xmpp_files.settings import S3Settings
from components.xmpp_files.storage import StorageError, TakenError

if TYPE_CHECKING:
    from pathlib import Path

    import obstore
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Store

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_PROBE = "probe"
#: What S3 takes: parts of 5 MiB at least, and 10,000 of them.
_PART_BYTES = 5 * 1024 * 1024
_MOST_PARTS = 10_000
#: Parts of one upload that may be on their way while the next one fills.
_PARTS_UNDER_WAY = 1
_STREAM_BYTES = 256 * 1024
_CONNECT_TIMEOUT = timedelta(seconds=10)
_REQUEST_TIMEOUT = timedelta(seconds=60)
#: A download takes as long as its client does; `_READ_TIMEOUT_S` is for S3's part of it.
_DOWNLOAD_TIMEOUT = timedelta(hours=6)
_READ_TIMEOUT_S = 60.0
_RETRIES = 3


class S3Storage:
    """All objects below the prefix belong to it alone."""

    def __init__(self, settings: S3Settings) -> None:
        """Check the settings; nothing is asked of the network yet.

        Raises:
            StorageError: They make no sense, or obstore is not installed.

        """
        self._settings = settings
        self._writing = _store(settings, _REQUEST_TIMEOUT)
        self._reading = _store(settings, _DOWNLOAD_TIMEOUT)
        self._under_way: set[str] = set()

    async def open(self) -> None:
        """Write and delete an object: wrong names, keys and rights show now, and not to the first user.

        Raises:
            StorageError: The bucket cannot be written to.

        """
        with _errors(f"bucket {self._settings.bucket} at {self._settings.endpoint or 'AWS'} cannot be used: "):
            await asyncio.to_thread(self._probe)

    def _probe(self) -> None:
        """Ask, and block: behind an asynchronous call obstore's threads tidy up, and abort a program that ends now."""
        self._writing.put(_PROBE, b"probe", use_multipart=False)
        self._writing.delete(_PROBE)

    async def close(self) -> None:
        """Do nothing: connections end by themselves."""

    async def room_for(self, _size: int) -> bool:
        """Say yes: what a bucket holds is bounded by its bill, and by the quotas."""
        return True

    async def begin(self, file_id: str, size: int) -> S3Upload:
        """Start an object that is not there yet, nor on its way.

        One program writes to a prefix, so that looking first is enough.
        """
        key = _safe(file_id)
        if key in self._under_way:
            raise TakenError("being uploaded")
        self._under_way.add(key)
        try:
            if await self.exists(file_id):
                raise TakenError("uploaded")
            return S3Upload(self._writing, key, size, self._under_way)
        except BaseException:
            self._under_way.discard(key)
            raise

    async def reader(self, file_id: str) -> S3Reader | None:
        """Look how large an object is; it is read when it is asked for."""
        size = await self._size(file_id)
        return None if size is None else S3Reader(self._reading, _safe(file_id), size)

    async def exists(self, file_id: str) -> bool:
        """Ask for its head."""
        return await self._size(file_id) is not None

    async def delete(self, file_id: str) -> None:
        """Delete it; what is not there is no error for S3."""
        with _errors():
            try:
                await self._writing.delete_async(_safe(file_id))
            except FileNotFoundError:
                return

    async def _size(self, file_id: str) -> int | None:
        with _errors():
            try:
                return (await self._writing.head_async(_safe(file_id)))["size"]
            except FileNotFoundError:
                return None


class S3Upload:
    """An object on its way: of up to one part it is a single PUT, of more a multipart upload."""

    def __init__(self, store: S3Store, key: str, size: int, under_way: set[str]) -> None:
        import obstore

        self._store = store
        self._key = key
        self._under_way = under_way
        self._writer: obstore.AsyncWritableFile | None = obstore.open_writer_async(
            store, key, buffer_size=part_bytes(size), max_concurrency=_PARTS_UNDER_WAY
        )

    @property
    def path(self) -> Path | None:
        """Nowhere: it cannot be looked at before it is committed."""
        return None

    async def write(self, data: bytes | bytearray) -> None:
        """Add data; a full part goes out."""
        with _errors():
            await self._open_writer().write(bytes(data))

    async def seal(self) -> None:
        """Do nothing: parts that were confirmed are safe, and `commit` waits for the last one."""

    async def commit(self) -> None:
        """Send what is left, and have S3 put the object together."""
        with _errors():
            await self._open_writer().close()
        self._writer = None
        self._under_way.discard(self._key)

    async def abort(self) -> None:
        """Have S3 drop the parts."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._under_way.discard(self._key)
        with _errors():
            try:
                await writer.__aexit__(StorageError, StorageError("aborted"), None)
            except ValueError:  # `commit` has failed half-way: what it left has no handle any more
                await self._store.delete_async(self._key)

    def _open_writer(self) -> obstore.AsyncWritableFile:
        if self._writer is None:
            raise StorageError("the upload has ended")
        return self._writer


class S3Reader:
    """An object: read as one stream from where the first read starts, anew wherever a read does not follow the last."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._stream: AsyncIterator[bytes] | None = None
        self._position = 0
        self._left = memoryview(b"")
        self.size = size

    async def read(self, start: int, length: int) -> bytes:
        """Take from the stream; raises StorageError if S3 does not go on for a minute."""
        with _errors():
            try:
                async with asyncio.timeout(_READ_TIMEOUT_S):
                    return await self._read(start, length)
            except FileNotFoundError:
                return b""  # deleted meanwhile
            except TimeoutError:
                raise StorageError("S3 does not answer") from None

    async def close(self) -> None:
        """End the stream; the connection ends with it."""
        self._stream, self._left = None, memoryview(b"")

    async def _read(self, start: int, length: int) -> bytes:
        if start >= self.size:
            return b""
        if self._stream is None or start != self._position:
            found = await self._store.get_async(self._key, options={"range": {"offset": start}})
            self._stream, self._position, self._left = aiter(found.stream(_STREAM_BYTES)), start, memoryview(b"")
        if not self._left:
            try:
                self._left = memoryview(await anext(self._stream))
            except StopAsyncIteration:
                return b""
        data, self._left = bytes(self._left[:length]), self._left[length:]
        self._position += len(data)
        return data


def part_bytes(size: int) -> int:
    """Return how large the parts of an object of `size` bytes are."""
    return max(_PART_BYTES, -(-size // _MOST_PARTS))


def _store(settings: S3Settings, timeout: timedelta) -> S3Store:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise StorageError("S3 needs obstore: pip install 'xmpp-server[files-s3]'") from None
    client: ClientConfig = {
        "allow_http": settings.endpoint.startswith("http://"),
        "connect_timeout": _CONNECT_TIMEOUT,
        "timeout": timeout,
    }
    retry: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _REQUEST_TIMEOUT}
    config: S3Config = {"region": settings.region, "virtual_hosted_style_request": settings.virtual_hosts}
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.access_key_id:
        config |= {"access_key_id": settings.access_key_id, "secret_access_key": settings.secret_access_key}
    try:
        return S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            config=config,
            client_options=client,
            retry_config=retry,
        )
    except (BaseError, ValueError) as error:
        raise StorageError(f"s3: {_line(error)}") from None


@contextmanager
def _errors(prefix: str = "") -> Iterator[None]:
    """Turn what obstore raises into ours; what it means that an object is not there is for the caller to say."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:  # as writers of obstore raise it
        raise StorageError(f"{prefix}{_line(error)}") from error


def _line(error: Exception) -> str:
    """Return what an error says to people; the rest of it is Rust's view of the same."""
    return " ".join(str(error).partition("Debug source")[0].split())[:300]


def _safe(file_id: str) -> str:
    if not _ID.fullmatch(file_id):
        raise StorageError("not an id")
    return file_id
