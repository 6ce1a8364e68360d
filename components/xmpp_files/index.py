"""The index: whose each file is, until when it is kept, and what counts against quotas; one SQLite file, one thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TypeVar

from components.xmpp_files.network_disk.schema import TABLES as DISK_TABLES
from components.xmpp_files.quota import HOUR_S, Hour, Limits, Refusal, Usage, first_hour, refusal
from components.xmpp_files.storage import FullError, StorageError

T = TypeVar("T")

_FIRST = """
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    purpose TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    slot_until INTEGER
) WITHOUT ROWID;
CREATE INDEX files_of_owner ON files (owner, created);
CREATE INDEX files_by_expiry ON files (expires) WHERE expires IS NOT NULL;
CREATE INDEX files_by_slot ON files (slot_until) WHERE slot_until IS NOT NULL;
-- who: a bare JID, or "@" and a domain
CREATE TABLE totals (who TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE hours (
    owner TEXT NOT NULL, hour INTEGER NOT NULL, bytes INTEGER NOT NULL, slots INTEGER NOT NULL,
    PRIMARY KEY (owner, hour)
) WITHOUT ROWID;
CREATE INDEX hours_by_age ON hours (hour);
CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
    INSERT INTO totals VALUES (new.owner, new.size) ON CONFLICT (who) DO UPDATE SET bytes = bytes + new.size;
    INSERT INTO totals VALUES ('@' || new.host, new.size) ON CONFLICT (who) DO UPDATE SET bytes = bytes + new.size;
END;
CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
    UPDATE totals SET bytes = bytes - old.size WHERE who IN (old.owner, '@' || old.host);
    DELETE FROM totals WHERE who IN (old.owner, '@' || old.host) AND bytes <= 0;
END;
"""
#: Each brings the schema from the version that is its place in this row to the next one.
_STEPS = (_FIRST, DISK_TABLES)
VERSION = len(_STEPS)
_COLUMNS = "id, owner, host, name, size, content_type, purpose, created, expires, slot_until"


@dataclass(frozen=True, slots=True)
class File:
    """One row: a file, or the slot for one. Times are seconds since 1970; `expires` None is never.

    `owner` is a bare JID, `host` its domain; `slot_until` is the end of the slot, None once the file is known to be
    stored.
    """

    id: str
    owner: str
    host: str
    name: str
    size: int
    content_type: str
    purpose: str
    created: int
    expires: int | None
    slot_until: int | None


class Index:
    """All methods raise StorageError (FullError where the disk is full)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "index")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open or make the database."""
        await self._run(self._open)

    async def close(self) -> None:
        """Close it."""
        if self._database is not None:
            await self._run(self._database.close)
        self._thread.shutdown()

    async def reserve(self, file: File, limits: Limits) -> Refusal | None:
        """Note a slot if the quotas allow it; None is yes. `file.created` is now."""

        def work() -> Refusal | None:
            with self._connection as database:
                database.execute("BEGIN IMMEDIATE")
                return reserve(database, file, limits)

        return await self._run(work)

    async def get(self, file_id: str) -> File | None:
        """Return a row."""
        rows = await self._select("id = ?", file_id)
        return rows[0] if rows else None

    async def owned(self, owner: str) -> list[File]:
        """Return a user's rows, the oldest first."""
        return await self._select("owner = ? ORDER BY created, id", owner)

    async def expired(self, now: int, limit: int) -> list[File]:
        """Return rows whose time is over."""
        return await self._select("expires <= ? ORDER BY expires LIMIT ?", now, limit)

    async def unsettled(self, now: int, limit: int) -> list[File]:
        """Return rows whose slot has ended without word of the file."""
        return await self._select("slot_until <= ? ORDER BY slot_until LIMIT ?", now, limit)

    async def settle(self, file_id: str) -> None:
        """Note that a file is stored."""
        await self._write("UPDATE files SET slot_until = NULL WHERE id = ?", file_id)

    async def remove(self, file_id: str) -> None:
        """Forget a file; it counts no longer, but for its day."""
        await self._write("DELETE FROM files WHERE id = ?", file_id)

    async def give_back(self, file: File) -> None:
        """Forget a slot that was not used: its bytes count no longer, the asking does."""

        def work() -> None:
            with self._connection as database:
                database.execute("BEGIN IMMEDIATE")
                if database.execute("DELETE FROM files WHERE id = ?", (file.id,)).rowcount:
                    database.execute(
                        "UPDATE hours SET bytes = max(0, bytes - ?) WHERE owner = ? AND hour = ?",
                        (file.size, file.owner, file.created // HOUR_S),
                    )

        await self._run(work)

    async def usage(self, owner: str, host: str, now: int) -> Usage:
        """Return what counts against quotas."""
        return await self._run(lambda: usage(self._connection, owner, host, now))

    async def total_bytes(self) -> int:
        """Return the bytes of all files, and of slots that may still become files."""

        def work() -> int:
            query = "SELECT coalesce(sum(bytes), 0) FROM totals WHERE who >= '@' AND who < 'A'"
            (total,) = self._connection.execute(query).fetchone()
            return int(total)

        return await self._run(work)

    async def forget_old_hours(self, now: int) -> None:
        """Drop the counts that count no longer."""
        await self._write("DELETE FROM hours WHERE hour < ?", first_hour(now))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run queries on the database."""
        return await self._run(lambda: work(self._connection))

    async def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run statements as one transaction; an exception undoes it. Unlike slots, this outlives a power cut."""

        def durably() -> T:
            database = self._connection
            database.execute("PRAGMA synchronous = FULL")
            try:
                with database:
                    database.execute("BEGIN IMMEDIATE")
                    return work(database)
            finally:
                database.execute("PRAGMA synchronous = NORMAL")

        return await self._run(durably)

    # What runs in the thread:

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise StorageError("the index is not open")
        return self._database

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        database.execute("PRAGMA journal_mode = WAL")
        # A crash of the process loses nothing; a power cut may lose the last slots, whose uploads then are orphans.
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            database.close()
            raise StorageError(f"{self._path} has schema {version}, this program knows {VERSION}")
        for number, step in enumerate(_STEPS[version:], version + 1):
            database.executescript(f"BEGIN IMMEDIATE;{step}PRAGMA user_version = {number};COMMIT;")
        self._database = database

    async def _select(self, condition: str, *values: str | int) -> list[File]:
        query = f"SELECT {_COLUMNS} FROM files WHERE {condition}"  # noqa: S608 - `condition` is ours
        return await self._run(lambda: [File(*row) for row in self._connection.execute(query, values)])

    async def _write(self, statement: str, *values: str | int) -> None:
        await self._run(lambda: self._connection.execute(statement, values))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL if hasattr(error, "sqlite_errorcode") else False
            raise (FullError if full else StorageError)(str(error)) from error


def reserve(database: sqlite3.Connection, file: File, limits: Limits) -> Refusal | None:
    """Note a slot, within a transaction, if the quotas allow it; None is yes."""
    refused = refusal(limits, usage(database, file.owner, file.host, file.created), file.size, file.created)
    if refused is not None:
        return refused
    database.execute(
        f"INSERT INTO files ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constant
        astuple(file),
    )
    database.execute(
        "INSERT INTO hours VALUES (?,?,?,1) ON CONFLICT (owner, hour)"
        " DO UPDATE SET bytes = bytes + excluded.bytes, slots = slots + 1",
        (file.owner, file.created // HOUR_S, file.size),
    )
    return None


def usage(database: sqlite3.Connection, owner: str, host: str, now: int) -> Usage:
    """Return what counts against quotas."""
    query = "SELECT bytes FROM totals WHERE who = ?"
    (user_bytes,) = database.execute(query, (owner,)).fetchone() or (0,)
    (host_bytes,) = database.execute(query, (f"@{host}",)).fetchone() or (0,)
    hours = database.execute(
        "SELECT hour, bytes, slots FROM hours WHERE owner = ? AND hour >= ?", (owner, first_hour(now))
    )
    return Usage(user_bytes, host_bytes, [Hour(*row) for row in hours])
