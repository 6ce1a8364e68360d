"""The driver for SQLite: a thread that writes and a thread that reads, each with a connection, in WAL mode."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

from xmpp_server.storage.api import (
    Durability,
    StorageBusyError,
    StorageError,
    StorageFailedError,
    StorageFullError,
)
from xmpp_server.storage.sql import migration
from xmpp_server.storage.sql.script import Script, Work, batch
from xmpp_server.storage.sql.statements import Statements, for_sqlite

T = TypeVar("T")
U = TypeVar("U")

_SYNCHRONOUS = {Durability.FULL: "FULL", Durability.PROCESS: "NORMAL", Durability.RELAXED: "OFF"}
# Statements that stay prepared on a connection.
_PREPARED = 256
_READS_AT_ONCE = 64

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
        self.statements: Statements = for_sqlite()
        self._path = path
        self._durability = durability
        self._lock_timeout_s = lock_timeout_s
        self._writer: _Thread | None = None
        self._reader: _Thread | None = None

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        self._writer = await _Thread.start("storage-writer", self._connect_writer, 1)
        try:
            await self._writer.call(lambda connection: migration.upgrade_sqlite(connection, self.statements))
            self._reader = await _Thread.start("storage-reader", self._connect_reader, _READS_AT_ONCE)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End both threads once they have done what they were given."""
        for thread in (self._reader, self._writer):
            if thread is not None:
                await thread.stop()
        self._reader = self._writer = None

    async def read(self, script: Script[T]) -> T:
        """Run a reading script."""
        if self._reader is None:
            raise StorageError("The store is not open")
        return await self._reader.call(lambda connection: _run(connection, script))

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
        connection = self._connect()
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=self._lock_timeout_s, isolation_level=None, cached_statements=_PREPARED
        )


class _Thread:
    """A thread with a connection of its own that does jobs in order, and brings their outcomes to the loop.

    A job is done on the thread and returns what is then called on the loop; a few jobs share one wake-up of the loop.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._at_once = at_once
        self._name = name
        self._thread: threading.Thread | None = None

    @classmethod
    async def start(cls, name: str, connect: Callable[[], sqlite3.Connection], at_once: int) -> _Thread:
        """Start a thread and wait until it is connected; raises `StorageError`."""
        self = cls(name, at_once)
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
            except Exception as error:
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
            self._deliver([lambda: _unless_cancelled(connected, connected.set_exception, failure)])
            return
        self._deliver([lambda: _unless_cancelled(connected, connected.set_result, None)])
        with contextlib.closing(connection):
            while (job := self._jobs.get()) is not None:
                outcomes = [job(connection)]
                with contextlib.suppress(Empty):
                    while len(outcomes) < self._at_once and (job := self._jobs.get_nowait()) is not None:
                        outcomes.append(job(connection))
                self._deliver(outcomes)
                if job is None:
                    return

    def _deliver(self, outcomes: list[Callable[[], None]]) -> None:
        def call() -> None:
            for outcome in outcomes:
                outcome()

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(call)


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
    except Exception as error:
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
