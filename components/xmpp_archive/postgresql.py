"""PostgreSQL: SQLAlchemy over asyncpg; one transaction writes at a time, some connections read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import asyncpg  # type: ignore[import-untyped]  # only its errors are used here
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from components.xmpp_archive.database import Condition
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.search import TsVector, body_of
from components.xmpp_archive.tables import VERSION, Values, entries, metadata

T = TypeVar("T")

_READERS = 4
_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_MS = 30_000
_FAULTS = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
#: One statement for a batch, however large: columns are passed as arrays.
_ADD = (
    "INSERT INTO entries (owner, id, contact, resource, groupchat, stanza, reference) "
    "SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::bigint[]) "
    "ON CONFLICT DO NOTHING RETURNING owner, id"
)


class PostgresDatabase:
    """One database; `url` is postgresql://USER@HOST/NAME."""

    def __init__(self, url: str, *, full: bool = False, search: bool = False) -> None:
        """Take the address; `full` commits wait for standbys as well, where there are any."""
        self.texts = TsVector() if search else None
        self._url = make_url(url).set(drivername="postgresql+asyncpg")
        self._settings = {
            "application_name": "xmpp-archive",
            # Never "off": that forgets the last moments when the database's own processes are killed.
            "synchronous_commit": "on" if full else "local",
            "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
        }
        self._engine: AsyncEngine | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect, and make or check the schema."""
        self._engine = create_async_engine(
            self._url,
            pool_size=1 + _READERS,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"timeout": _CONNECT_TIMEOUT_S, "server_settings": self._settings},
        )
        await self.write(self._upgrade)

    async def close(self) -> None:
        """Disconnect."""
        if self._engine is not None:
            async with self._turn:
                await self._engine.dispose()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction, behind those that came before."""
        async with self._turn:
            return await self.read(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction beside the writer."""
        assert self._engine is not None  # noqa: S101 - nobody reads before `open`
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except _FAULTS as error:
            raise ArchiveError(str(error)) from error

    def insert(self, database: Connection, rows: Sequence[Values]) -> int:
        """Add what is not there."""
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        new = {(row.owner, row.id) for row in database.exec_driver_sql(_ADD, columns)}
        if self.texts is not None:
            bodies = [(row[0], row[1], body_of(row[5])) for row in rows if row[:2] in new]
            self.texts.add(database, [row for row in bodies if row[2]])
        return len(new)

    def is_contact(self, bare: str) -> Condition:
        """Compare."""
        return entries.c.contact == bare

    def _upgrade(self, database: Connection) -> None:
        database.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('xmpp-archive'))")  # two may start at once
        database.exec_driver_sql("CREATE TABLE IF NOT EXISTS archive_version (version integer NOT NULL)")
        version = database.exec_driver_sql("SELECT version FROM archive_version").scalar()
        if version is not None and version > VERSION:
            raise ArchiveError("The database is of a newer version of this program")
        metadata.create_all(database)
        if self.texts is not None:
            self.texts.create(database)
        if version is None:
            database.execute(text("INSERT INTO archive_version VALUES (:version)"), {"version": VERSION})
