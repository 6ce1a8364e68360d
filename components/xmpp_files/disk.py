"""The store on disk: part files, made durable, then renamed. One file each, spread over folders by id."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from components.xmpp_files.storage import FullError, StorageError, TakenError

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_THREADS = 8
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Threads:
    """Runs what blocks on the disk; the system's errors come out as ours."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "disk")

    async def run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except OSError as error:
            raise (FullError if error.errno in _FULL else StorageError)(error.strerror) from error

    def close(self) -> None:
        self._pool.shutdown()


class DiskStorage:
    """Files under a folder that belongs to it alone.

    Args:
        folder: Made if missing, readable by this user only.
        min_free_bytes: What uploads leave free on the file system.

    """

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        self._files = folder / "files"
        self._parts = folder / "parts"
        self._min_free_bytes = min_free_bytes
        self._promised: dict[str, int] = {}  # bytes still to come, by id of the upload
        self._threads = _Threads()

    async def open(self) -> None:
        """Make the folders; nothing in `parts` can be complete."""

        def prepare() -> None:
            shutil.rmtree(self._parts, ignore_errors=True)
            for folder in (self._files, self._parts):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        await self._threads.run(prepare)

    async def close(self) -> None:
        """Wait for what runs."""
        self._threads.close()

    async def room_for(self, size: int) -> bool:
        """Count what is free, less what running uploads were promised."""
        free = await self._threads.run(lambda: shutil.disk_usage(self._files).free)
        return free - sum(self._promised.values()) - size >= self._min_free_bytes

    async def begin(self, file_id: str, size: int) -> DiskUpload:
        """Open a part file that nobody else has."""
        if not await self.room_for(size):
            raise FullError("no room")
        part, final = self._parts / _safe(file_id), self._path(file_id)

        def create() -> int:
            try:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                raise TakenError("being uploaded") from None
            if final.exists():
                os.close(handle)
                part.unlink()
                raise TakenError("uploaded")
            return handle

        handle = await self._threads.run(create)
        self._promised[file_id] = size
        return DiskUpload(self._threads, handle, part, final, _Promise(self._promised, file_id))

    async def reader(self, file_id: str) -> DiskReader | None:
        """Open a file for reading."""

        def opened() -> tuple[int, int] | None:
            try:
                handle = os.open(self._path(file_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            return handle, os.fstat(handle).st_size

        found = await self._threads.run(opened)
        return DiskReader(self._threads, *found) if found else None

    async def exists(self, file_id: str) -> bool:
        """Look for the file."""
        return await self._threads.run(self._path(file_id).exists)

    async def delete(self, file_id: str) -> None:
        """Unlink it; who reads it goes on reading."""
        await self._threads.run(lambda: self._path(file_id).unlink(missing_ok=True))

    def _path(self, file_id: str) -> Path:
        return self._files / _safe(file_id)[:2] / file_id


class _Promise:
    """What an upload still takes from the disk."""

    def __init__(self, promised: dict[str, int], file_id: str) -> None:
        self._promised = promised
        self._id = file_id

    def keep(self, amount: int) -> None:
        """So many bytes are on the disk now."""
        if self._id in self._promised:
            self._promised[self._id] = max(0, self._promised[self._id] - amount)

    def end(self) -> None:
        """Nothing more comes."""
        self._promised.pop(self._id, None)


class DiskUpload:
    """A part file; its methods are called one after the other, but any may be cancelled."""

    def __init__(self, threads: _Threads, handle: int, part: Path, final: Path, promise: _Promise) -> None:
        self._threads = threads
        self._handle = handle
        self._part = part
        self._final = final
        self._promise = promise
        # A cancelled write goes on in its thread: the handle must not be closed, and used again, below it.
        self._lock = threading.Lock()

    @property
    def path(self) -> Path | None:
        """The part file."""
        return self._part

    async def write(self, data: bytes | bytearray) -> None:
        """Append to the part file."""

        def append() -> None:
            with self._lock, memoryview(data) as view:
                done = 0
                while done < len(view):
                    done += os.write(self._open_handle(), view[done:])

        await self._threads.run(append)
        self._promise.keep(len(data))

    async def seal(self) -> None:
        """Fsync the part file and close it; an error of fsync is final, what it lost is unknown."""

        def sync() -> None:
            with self._lock:
                os.fsync(self._open_handle())
                self._close()

        await self._threads.run(sync)

    async def commit(self) -> None:
        """Rename, and fsync the folders, so that the name survives too."""

        def rename() -> None:
            with self._lock:
                if not self._final.parent.exists():
                    self._final.parent.mkdir(mode=0o700, exist_ok=True)
                    _sync_folder(self._final.parent.parent)
                self._part.rename(self._final)
                _sync_folder(self._final.parent)

        await self._threads.run(rename)
        self._promise.end()

    async def abort(self) -> None:
        """Remove the part file."""

        def remove() -> None:
            with self._lock:
                self._close()
                self._part.unlink(missing_ok=True)

        self._promise.end()
        await self._threads.run(remove)

    def _open_handle(self) -> int:
        if self._handle < 0:
            raise OSError(errno.EBADF, "the upload has ended")
        return self._handle

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with contextlib.suppress(OSError):  # what counted was fsync
                os.close(handle)


class DiskReader:
    """An open file."""

    def __init__(self, threads: _Threads, handle: int, size: int) -> None:
        self._threads = threads
        self._handle = handle
        self._lock = threading.Lock()
        self.size = size

    async def read(self, start: int, length: int) -> bytes:
        """Read at a place."""

        def pread() -> bytes:
            with self._lock:
                return os.pread(self._handle, length, start) if self._handle >= 0 else b""

        return await self._threads.run(pread)

    async def close(self) -> None:
        """Close the file."""

        def shut() -> None:
            with self._lock:
                handle, self._handle = self._handle, -1
                if handle >= 0:
                    os.close(handle)

        await self._threads.run(shut)


def _safe(file_id: str) -> str:
    if not _ID.fullmatch(file_id):
        raise StorageError("not an id")
    return file_id


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
