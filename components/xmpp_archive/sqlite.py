"""SQLite in WAL mode: one thread that writes, and some that read, none of them for long."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from components.xmpp_archive.batch import reference_of
from components.xmpp_archive.database import Condition
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.search import Fts5
from components.xmpp_archive.tables import VERSION, Values, entries, metadata

T = TypeVar("T")

_BUSY_S = 30
_READERS = 3
#: A page takes milliseconds; what takes longer is a question that no index helps with, in a large archive.
_READ_S = 3.0
#: Instructions of SQLite's machine between two looks at the clock.
_STEPS = 20_000
#: Adds an entry unless it is there; compiled once. Its parameters are tuples in the order of the columns.
_ADD = str(
    sqlite.insert(entries)
    .values({column.name: bindparam(column.name) for column in entries.columns})
    .on_conflict_do_nothing()
    .compile(dialect=sqlite.dialect(paramstyle="qmark"))
)
#: Memory for pages of the file, of each connection.
_WRITER_KIB, _READER_KIB = 32_768, 4_096
#: Pages of the journal before it is taken in: one that is written to often is then taken in once, not many times.
_JOURNAL_PAGES = 8000


class SqliteDatabase:
    """One file."""

    def __init__(self, path: Path, *, full: bool = False, search: bool = False) -> None:
        """Take the path; `full` commits survive a power cut, not only the end of the process."""
        self.texts = Fts5() if search else None
        self._path = path
        self._synchronous = "FULL" if full else "NORMAL"
        self._writing = ThreadPoolExecutor(1, "archive-writer")
        self._reading = ThreadPoolExecutor(_READERS, "archive-reader")
        self._engine: Engine | None = None
        self._writer: Connection | None = None

    async def open(self) -> None:
        """Open or make the file."""
        await _on(self._writing, self._open_writer)

    async def close(self) -> None:
        """Close it; what was handed over before is committed."""
        await asyncio.to_thread(self._reading.shutdown)
        if self._writer is not None:
            await _on(self._writing, self._writer.close)
        self._writing.shutdown()
        if self._engine is not None:
            self._engine.dispose()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction, in the writer's thread."""

        def run() -> T:
            assert self._writer is not None  # noqa: S101 - nobody writes before `open`
            with self._writer.begin():
                return work(self._writer)

        return await _on(self._writing, run)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do something in a reader's thread; what takes too long fails, as others wait."""

        def run() -> T:
            assert self._engine is not None  # noqa: S101 - nobody reads before `open`
            with self._engine.connect() as reader, reader.begin():
                _bound(reader)
                return work(reader)

        return await _on(self._reading, run)

    def insert(self, database: Connection, rows: Sequence[Values]) -> int:
        """Add what is not there."""
        if self.texts is None:
            return database.exec_driver_sql(_ADD, list(rows)).rowcount
        new = [row for row in rows if database.exec_driver_sql(_ADD, row).rowcount == 1]
        for owner, ident, _, _, _, stanza, _ in new:
            self.texts.add(database, owner, ident, stanza)
        return len(new)

    def is_contact(self, bare: str) -> Condition:
        """Else SQLite would walk through the whole archive, as that is in the right order, too."""
        return text("unlikely(entries.contact = :contact)").bindparams(contact=bare)

    def _open_writer(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connect_args = {"check_same_thread": False, "timeout": _BUSY_S}
        engine = create_engine(f"sqlite:///{self._path}", connect_args=connect_args)
        pragmas = (
            "journal_mode=WAL",
            f"synchronous={self._synchronous}",
            f"wal_autocheckpoint={_JOURNAL_PAGES}",
            f"cache_size=-{_READER_KIB}",
            "foreign_keys=ON",
            "secure_delete=FAST",  # what was retracted must not stay in the file
        )

        @event.listens_for(engine, "connect")
        def prepare(raw: sqlite3.Connection, _record: object) -> None:
            cursor = raw.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        self._engine = engine
        writer = engine.connect()
        writer.exec_driver_sql(f"PRAGMA cache_size=-{_WRITER_KIB}")
        writer.commit()
        with writer.begin():
            self._upgrade(writer)
        self._writer = writer

    def _upgrade(self, writer: Connection) -> None:
        version = writer.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > VERSION:
            raise ArchiveError(f"{self._path} is of a newer version of this program")
        if version == 1:
            _bring_up_from_1(writer)
        metadata.create_all(writer)
        if self.texts is not None:
            self.texts.create(writer)
        writer.exec_driver_sql(f"PRAGMA user_version={VERSION}")


def _bring_up_from_1(writer: Connection) -> None:
    """Copy the entries: they lay in another order, and nobody knew by which ids others speak of them."""
    raw = writer.connection.driver_connection
    assert raw is not None  # noqa: S101 - only of a connection that was given back
    raw.create_function("reference_of", 1, reference_of, deterministic=True)
    writer.exec_driver_sql("ALTER TABLE entries RENAME TO entries_1")
    writer.exec_driver_sql("DROP INDEX entries_by_contact")
    metadata.create_all(writer)
    writer.exec_driver_sql(
        "INSERT INTO entries (owner, id, contact, resource, groupchat, stanza, reference) "
        "SELECT owner, id, contact, resource, groupchat, stanza, CASE groupchat WHEN 0 THEN reference_of(stanza) END "
        "FROM entries_1 ORDER BY id"
    )
    writer.exec_driver_sql("DROP TABLE entries_1")


def _bound(reader: Connection) -> None:
    """Let what is done on a connection from now on fail after some time."""
    raw = reader.connection.driver_connection
    assert raw is not None  # noqa: S101 - only of a connection that was given back
    deadline = time.monotonic() + _READ_S
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)


async def _on(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    except (SQLAlchemyError, OSError) as error:
        raise ArchiveError(str(error)) from error
