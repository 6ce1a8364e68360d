"""The driver for SQLite in WAL mode: reads run where they are asked for, a thread of its own commits.

Reads are a few lookups by key, nearly always from memory: some 50 µs. A thread would cost more than that for each
hop, and under load it waits for the interpreter lock: measured, from 5 ms up to seconds. Readers never wait for a
writer. A commit waits for the disk, so it has a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar, cast

from xmpp_server.storage.api import (
    Durability,
    SchemaError,
    StorageBusyError,
    StorageError,
    StorageFailedError,
    StorageFullError,
)
from xmpp_server.storage.sql import migration
from xmpp_server.storage.sql.script import Script, Work, batch
from xmpp_server.storage.sql.statements import Statements, compiled_for

T = TypeVar("T")
U = TypeVar("U")

_SYNCHRONOUS = {Durability.FULL: "FULL", Durability.PROCESS: "NORMAL", Durability.RELAXED: "OFF"}
# Statements that stay prepared on a connection.
_PREPARED = 256
_WAL_PAUSE_S = 0.02

# Readers are not locked out but while another process recovers or closes the file.
_READ_LOCK_TIMEOUT_S = 0.05

# What ends the store: data that fsync did not write may be gone, and a damaged file only gets worse.
_FATAL = {
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}
_ERRORS: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_BUSY: StorageBusyError,
    sqlite3.SQLITE_LOCKED: StorageBusyError,
    sqlite3.SQLITE_FULL: StorageFullError,
}
# Every write of the batch has the same error: trying them singly would only take longer.
_OF_ALL = (StorageBusyError, StorageFailedError)

Job = Callable[[sqlite3.Connection], Callable[[], None]]


class SqliteDriver:
    """One database file; `lock_timeout_s` is how long a write waits for another process that writes."""

    def __init__(self, path: Path, durability: Durability, lock_timeout_s: float = 5.0) -> None:
        self.statements: Statements = compiled_for("sqlite")
        self._path = path
        self._durability = durability
        self._lock_timeout_s = lock_timeout_s
        self._writer: _Thread | None = None
        self._reader: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        try:
            self._writer = await _Thread.start("storage-writer", self._connect_writer)
            await self._writer.call(lambda connection: migration.upgrade_sqlite(connection, self.statements))
            self._reader = self._connect(_READ_LOCK_TIMEOUT_S)
            self._reader.execute("PRAGMA query_only = ON")
        except BaseException as error:
            await self.close()
            if isinstance(error, SchemaError) or not isinstance(error, sqlite3.Error | StorageError):
                raise
            failure = _storage_error(error)
            raise type(failure)(f"{self._path}: {failure}") from error

    async def close(self) -> None:
        """Disconnect once the writer has done what it was given."""
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            await self._writer.stop()
        self._reader = self._writer = None

    async def revision(self) -> str | None:
        """Read the revision of the schema, None if the file is not there or empty."""
        if not self._path.exists():
            return None
        try:
            with contextlib.closing(self._connect(self._lock_timeout_s)) as connection:
                return migration.revision_sqlite(connection, self.statements)
        except sqlite3.Error as error:
            raise _storage_error(error) from error

    async def read(self, script: Script[T]) -> T:
        """Run a reading script, here and now."""
        if self._reader is None:
            raise StorageError("The store is not open")
        try:
            return _run(self._reader, script)
        except sqlite3.Error as error:
            raise _storage_error(error) from error

    def submit(self, works: Sequence[Work[object]], finished: Callable[[list[object]], None]) -> None:
        """Commit a batch on the writer's thread."""
        if self._writer is None:
            finished([StorageError("The store is not open")] * len(works))
            return

        def job(connection: sqlite3.Connection) -> Callable[[], None]:
            results = _commit(connection, works)
            return lambda: finished(results)

        self._writer.put(job)

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect(self._lock_timeout_s)
        try:
            self._use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch a new file to WAL. SQLite does not wait for another process that does so at the same time."""
        give_up = time.monotonic() + self._lock_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(_WAL_PAUSE_S)
            else:
                return

    def _connect(self, lock_timeout_s: float) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=lock_timeout_s, isolation_level=None, cached_statements=_PREPARED)


class _Thread:
    """A thread with a connection of its own that does jobs in order, and brings their outcomes to the loop.

    A job is done on the thread and returns what is then called on the loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @classmethod
    async def start(cls, name: str, connect: Callable[[], sqlite3.Connection]) -> _Thread:
        """Start a thread and wait until it is connected; raises `StorageError`."""
        self = cls()
        connected: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, args=(connect, connected), name=name, daemon=True)
        self._thread.start()
        await connected
        return self

    async def stop(self) -> None:
        """Do the jobs that are queued, close the connection and end."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def put(self, job: Job) -> None:
        """Queue a job, which must not raise."""
        self._jobs.put(job)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the thread; errors of the database become `StorageError`."""
        future: asyncio.Future[T] = self._loop.create_future()

        def job(connection: sqlite3.Connection) -> Callable[[], None]:
            try:
                value = function(connection)
            except Exception as error:  # told to who waits for it
                failure = _storage_error(error)
                return lambda: _unless_cancelled(future, future.set_exception, failure)
            return lambda: _unless_cancelled(future, future.set_result, value)

        self._jobs.put(job)
        return await future

    def _work(self, connect: Callable[[], sqlite3.Connection], connected: asyncio.Future[None]) -> None:
        try:
            connection = connect()
        except sqlite3.Error as error:
            failure = _storage_error(error)
            self._deliver(lambda: _unless_cancelled(connected, connected.set_exception, failure))
            return
        self._deliver(lambda: _unless_cancelled(connected, connected.set_result, None))
        with contextlib.closing(connection):
            while (job := self._jobs.get()) is not None:
                self._deliver(job(connection))

    def _deliver(self, outcome: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(outcome)


def _unless_cancelled(future: asyncio.Future[T], settle: Callable[[U], None], outcome: U) -> None:
    if not future.done():
        settle(outcome)


def _run(connection: sqlite3.Connection, script: Script[T]) -> T:
    """Run a script without a transaction around it."""
    try:
        step = next(script)
        while True:
            step = script.send(connection.execute(step.sql, step.values).fetchall())
    except StopIteration as stop:
        return cast("T", stop.value)


def _transaction(connection: sqlite3.Connection, works: Sequence[Work[object]]) -> list[object]:
    """Run works in one transaction; raises what the database raises, with nothing changed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = _run(connection, batch(works))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after some errors
            connection.execute("ROLLBACK")
        raise
    return results


def _commit(connection: sqlite3.Connection, works: Sequence[Work[object]]) -> list[object]:
    """Commit works together; if that fails, each by itself, so that one bad row does not fail the others."""
    try:
        return _transaction(connection, works)
    except Exception as error:  # told to who waits for these works
        failure = _storage_error(error)
    if len(works) == 1 or isinstance(failure, _OF_ALL):
        return [failure] * len(works)
    results: list[object] = []
    for work in works:
        results += _commit(connection, [work])
    return results


def _storage_error(error: Exception) -> StorageError:
    if isinstance(error, StorageError):
        return error
    if not isinstance(error, sqlite3.Error):
        failure = StorageError(f"Not storable: {error!r}")
    else:
        code = getattr(error, "sqlite_errorcode", 0)
        fatal = code in _FATAL or code & 0xFF in _FATAL
        kind = StorageFailedError if fatal else _ERRORS.get(code & 0xFF, StorageError)
        failure = kind(f"SQLite: {error}")
    failure.__cause__ = error
    return failure
