"""The driver for PostgreSQL: one connection that writes, a small pool that reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import asyncpg  # type: ignore[import-untyped]  # see migration.PostgresConnection
import structlog

from xmpp_server.storage.api import Durability, StorageBusyError, StorageError, StorageFullError
from xmpp_server.storage.sql import migration
from xmpp_server.storage.sql.migration import PostgresConnection
from xmpp_server.storage.sql.script import Script, Work, batch
from xmpp_server.storage.sql.statements import Statements, compiled_for

T = TypeVar("T")

log = structlog.get_logger(__name__)

_READERS = 4
_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_S = 30.0
# A read that gets no connection of the pool, or no answer, in this time fails.
_READ_TIMEOUT_S = 10.0
_RECONNECT_PAUSE_S = 0.2

_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_FULL = (asyncpg.DiskFullError, asyncpg.OutOfMemoryError)
_BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    TimeoutError,
)
# The fault is in one row or meets one of two nodes that write the same: the other writes need not suffer.
_OF_ONE = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
)
# What is only in PostgreSQL's memory goes with it, when one of its processes is killed: hence no "off" for PROCESS.
_SYNCHRONOUS_COMMIT = {Durability.FULL: "on", Durability.PROCESS: "local", Durability.RELAXED: "off"}


class PostgresDriver:
    """One database; `lock_timeout_s` is how long a write waits for a lock, `reconnect_s` for the server to return."""

    def __init__(self, dsn: str, durability: Durability, lock_timeout_s: float = 5.0, reconnect_s: float = 5.0) -> None:
        self.statements: Statements = compiled_for("postgresql")
        self._dsn = dsn
        self._reconnect_s = reconnect_s
        self._settings = {
            "application_name": "xmpp-server",
            "synchronous_commit": _SYNCHRONOUS_COMMIT[durability],
            "lock_timeout": str(int(lock_timeout_s * 1000)),
            "statement_timeout": str(int(_STATEMENT_TIMEOUT_S * 1000)),
        }
        self._writer: PostgresConnection | None = None
        self._pool: asyncpg.Pool | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        try:
            self._writer = await self._connect()
            await migration.upgrade_postgresql(self._writer, self.statements)
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=_READERS,
                timeout=_CONNECT_TIMEOUT_S,
                reset=_leave_as_is,
                server_settings={**self._settings, "default_transaction_read_only": "on"},
            )
        except _FAULTS as error:
            await self.close()
            raise _storage_error(error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish the batch under way and disconnect."""
        if self._task is not None:
            await self._task
        if self._pool is not None:
            await self._pool.close()
        if self._writer is not None:
            await _disconnect(self._writer)
        self._pool = self._writer = None

    async def revision(self) -> str | None:
        """Read the revision of the schema, None for an empty database."""
        try:
            connection = await self._connect()
        except _FAULTS as error:
            raise _storage_error(error) from error
        try:
            return await migration.revision_postgresql(connection, self.statements)
        finally:
            await _disconnect(connection)

    async def read(self, script: Script[T]) -> T:
        """Run a reading script on a connection of the pool."""
        if self._pool is None:
            raise StorageError("The store is not open")
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S), self._pool.acquire() as connection:
                return await _run(connection, script)
        except _FAULTS as error:
            raise _storage_error(error) from error

    def submit(self, works: Sequence[Work[object]], finished: Callable[[list[object]], None]) -> None:
        """Commit a batch in a task of its own; the writer submits the next one only after this."""
        self._task = asyncio.get_running_loop().create_task(
            self._commit_and_tell(works, finished), name="storage-commit"
        )

    async def _commit_and_tell(self, works: Sequence[Work[object]], finished: Callable[[list[object]], None]) -> None:
        try:
            results = await self._commit(works)
        except asyncio.CancelledError:
            finished([StorageError("The server is going down")] * len(works))
            raise
        except Exception as error:  # told to who waits for these works
            log.exception("commit_failed")
            results = [_storage_error(error)] * len(works)
        finished(results)

    async def _commit(self, works: Sequence[Work[object]]) -> list[object]:
        """Commit works together, once more if the connection was lost; else each by itself if one was bad.

        A lost connection leaves open whether the commit came through; every write may be executed twice.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._reconnect_s
        while True:
            try:
                connection = await self._connected()
                return await _transaction(connection, works)
            except _FAULTS as error:
                failure = _storage_error(error)
                lost = self._writer is None or self._writer.is_closed()
                if not lost and isinstance(error, _OF_ONE) and len(works) > 1:
                    break
                if not lost or loop.time() > give_up:
                    return [failure] * len(works)
            await asyncio.sleep(_RECONNECT_PAUSE_S)
        results: list[object] = []
        for work in works:
            results += await self._commit([work])
        return results

    async def _connected(self) -> PostgresConnection:
        if self._writer is None or self._writer.is_closed():
            self._writer = None
            self._writer = await self._connect()
            log.info("storage_reconnected")
        return self._writer

    async def _connect(self) -> PostgresConnection:
        connection: PostgresConnection = await asyncpg.connect(
            self._dsn,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_STATEMENT_TIMEOUT_S + 5,
            server_settings=self._settings,
        )
        return connection


async def _leave_as_is(_: PostgresConnection) -> None:
    """Spare the reset of a connection that goes back to the pool: one more round trip, and reads leave nothing."""


async def _disconnect(connection: PostgresConnection) -> None:
    try:
        await connection.close(timeout=_CONNECT_TIMEOUT_S)
    except _FAULTS:
        connection.terminate()


async def _run(connection: PostgresConnection, script: Script[T]) -> T:
    try:
        step = next(script)
        while True:
            step = script.send(await connection.fetch(step.sql, *step.values))
    except StopIteration as stop:
        return cast("T", stop.value)


async def _transaction(connection: PostgresConnection, works: Sequence[Work[object]]) -> list[object]:
    async with connection.transaction():
        return await _run(connection, batch(works))


def _storage_error(error: Exception) -> StorageError:
    if isinstance(error, StorageError):
        return error
    if isinstance(error, _FULL):
        kind: type[StorageError] = StorageFullError
    elif isinstance(error, _BUSY):
        kind = StorageBusyError
    else:
        kind = StorageError
    failure = kind(f"PostgreSQL: {error or type(error).__name__}")
    failure.__cause__ = error
    return failure
