"""Where the bytes of files go: what a driver must be able to do."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class StorageError(Exception):
    """The store fails; what was under way is lost, what is stored stays."""


class FullError(StorageError):
    """There is no room now."""


class TakenError(StorageError):
    """Somebody else uploads, or has uploaded, under this id."""


class Upload(Protocol):
    """One file on its way in: `write` until complete, `seal`, then `commit`; `abort` at any time before."""

    @property
    def path(self) -> Path | None:
        """Where the sealed file can be looked at before it is committed; None if the driver has no such place."""

    async def write(self, data: bytes | bytearray) -> None:
        """Add data; returns when there may come more.

        Raises:
            FullError: The store has become full.
            StorageError: It cannot be written.

        """

    async def seal(self) -> None:
        """All data is there: bring it to stable storage, not to be read by anybody yet."""

    async def commit(self) -> None:
        """Make the sealed file readable, for good."""

    async def abort(self) -> None:
        """Leave no trace; does nothing after `commit`."""


class Reader(Protocol):
    """An open file; it stays readable until closed, even if deleted meanwhile."""

    @property
    def size(self) -> int:
        """The file's bytes."""

    async def read(self, start: int, length: int) -> bytes:
        """Return at most `length` bytes from `start`; none at the end."""

    async def close(self) -> None:
        """Give back what it holds."""


class Storage(Protocol):
    """A store of files by id; ids consist of base64url characters."""

    async def open(self) -> None:
        """Prepare; remove what uploads of an earlier run left."""

    async def close(self) -> None:
        """Give back what it holds; no call may be under way."""

    async def room_for(self, size: int) -> bool:
        """Tell whether a file of `size` bytes would fit now."""

    async def begin(self, file_id: str, size: int) -> Upload:
        """Start an upload of at most `size` bytes.

        Raises:
            TakenError: The id is in use.
            FullError: There is no room.

        """

    async def reader(self, file_id: str) -> Reader | None:
        """Open a committed file; None if there is none."""

    async def exists(self, file_id: str) -> bool:
        """Tell whether a file is committed."""

    async def delete(self, file_id: str) -> None:
        """Remove a file, if there is one."""
