"""The archive on disk: SQLite in WAL mode, one thread that writes and one that reads.

An entry is there once, however often it is handed over: its owner and id are unique.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from components.xmpp_archive import search as searching
from components.xmpp_archive import select as selecting
from components.xmpp_archive.batch import Entry, Erasure, Item, first_id, stamp_ms
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.settings import Keep
from components.xmpp_archive.tables import ADD_ENTRY, entries, metadata, owners

T = TypeVar("T")
#: In the order of the columns.
_Values: TypeAlias = tuple[int, str, str, str, bool, str]

VERSION = 1
_DAY_MS = 86_400_000
#: Owners whose numbers and preferences are remembered.
_REMEMBERED = 100_000
#: Rows deleted in one transaction, so that batches do not wait for long.
_PURGED = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a page."""

    id: str
    stanza: str

    @property
    def stamp_ms(self) -> int:
        """When it came."""
        return stamp_ms(self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """A page in the order of time; `count` is that of the whole range, None where it was too many to count."""

    rows: list[Row]
    complete: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class Owner:
    """An archive, as the writer remembers it."""

    number: int
    prefs: Prefs | None


class Store:
    """All methods raise ArchiveError; `prefs` are those of users who have said nothing."""

    def __init__(self, path: Path, prefs: Prefs, *, full: bool = False, search: bool = False) -> None:
        self._path = path
        self._default = prefs
        self._full = full
        self._search = search
        self._writing = ThreadPoolExecutor(1, "archive-writer")
        self._reading = ThreadPoolExecutor(1, "archive-reader")
        self._engine: Engine | None = None
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._owners: dict[str, Owner] = {}

    async def open(self) -> None:
        """Open or make the database."""
        await self._on(self._writing, self._open_writer)
        await self._on(self._reading, self._open_reader)

    async def close(self) -> None:
        """Close it; what was handed over before is committed."""
        for thread, database in ((self._reading, self._reader), (self._writing, self._writer)):
            if database is not None:
                await self._on(thread, database.close)
            thread.shutdown()
        if self._engine is not None:
            self._engine.dispose()

    async def write(self, items: Iterable[Item]) -> int:
        """Commit a batch in one transaction; return how many entries were new."""
        return await self._on(self._writing, lambda: self._transaction(lambda database: self._write(database, items)))

    async def page(self, owner: str, query: Query) -> Page:
        """Return a page; raises RequestError item-not-found for ids that are not there."""
        return await self._read(lambda database: self._page(database, owner, query))

    async def bounds(self, owner: str) -> tuple[Row, Row] | None:
        """Return the first and the last entry, without their stanzas; None of an empty archive."""
        return await self._read(lambda database: self._bounds(database, owner))

    async def prefs(self, owner: str) -> Prefs:
        """Return what holds for a user."""

        def work(database: Connection) -> Prefs:
            text = database.execute(select(owners.c.prefs).where(owners.c.jid == owner)).scalar()
            return _prefs(text) or self._default

        return await self._read(work)

    async def set_prefs(self, owner: str, prefs: Prefs) -> None:
        """Let preferences hold for a user, from the next batch on."""

        def work(database: Connection) -> None:
            known = self._owner(database, owner, room=False)
            text = json.dumps([prefs.default, prefs.always, prefs.never])
            database.execute(update(owners).where(owners.c.number == known.number).values(prefs=text))
            self._owners.pop(owner, None)

        await self._on(self._writing, lambda: self._transaction(work))

    async def purge(self, keep: Keep, now_ms: int) -> int:
        """Delete what is too old or too much; return how many entries. Batches come in between."""
        total = 0
        for owner, room in await self._read(_archives):
            days, most = (keep.room_days, keep.room_messages) if room else (keep.user_days, keep.user_messages)
            oldest = now_ms - days * _DAY_MS if days else None
            while deleted := await self._delete_some(owner, oldest, most):
                total += deleted
                if deleted < _PURGED:
                    break
        return total

    # In the writer's thread.

    def _write(self, database: Connection, items: Iterable[Item]) -> int:
        rows: list[_Values] = []
        new = 0
        for item in items:
            if isinstance(item, Erasure):
                new += self._insert(database, rows)
                rows = []
                self._erase(database, item.owner)
            elif (row := self._row(database, item)) is not None:
                rows.append(row)
        return new + self._insert(database, rows)

    def _insert(self, database: Connection, rows: list[_Values]) -> int:
        if not rows:
            return 0
        if not self._search:
            return database.exec_driver_sql(ADD_ENTRY, rows).rowcount
        new = 0
        for row in rows:
            if database.exec_driver_sql(ADD_ENTRY, row).rowcount == 1:
                owner, ident, *_, stanza = row
                searching.add(database, owner, ident, stanza)
                new += 1
        return new

    def _row(self, database: Connection, entry: Entry) -> _Values | None:
        owner = self._owners.get(entry.owner) or self._owner(database, entry.owner, room=entry.room)
        if not entry.room and not (owner.prefs or self._default).wants(entry.contact, entry.in_roster):
            return None
        bare, _, resource = entry.contact.partition("/")
        return owner.number, entry.id, bare, resource, entry.groupchat, entry.stanza

    def _owner(self, database: Connection, jid: str, *, room: bool) -> Owner:
        row = database.execute(select(owners.c.number, owners.c.prefs).where(owners.c.jid == jid)).first()
        if row is None:
            database.execute(insert(owners).values(jid=jid, room=room).on_conflict_do_nothing())
            row = database.execute(select(owners.c.number, owners.c.prefs).where(owners.c.jid == jid)).one()
        if len(self._owners) >= _REMEMBERED:
            self._owners.clear()
        owner = self._owners[jid] = Owner(row.number, _prefs(row.prefs))
        return owner

    def _erase(self, database: Connection, jid: str) -> None:
        number = selecting.owner_number(database, jid)
        if number is not None:
            database.execute(delete(entries).where(entries.c.owner == number))
            if self._search:
                searching.remove(database, number, None)
            database.execute(delete(owners).where(owners.c.number == number))
        self._owners.pop(jid, None)

    async def _delete_some(self, owner: int, oldest_ms: int | None, most: int) -> int:
        column = entries.c

        def work(database: Connection) -> int:
            oldest = select(column.id).where(column.owner == owner).order_by(column.id)
            doomed: list[str] = []
            if oldest_ms is not None:
                old = oldest.where(column.id < first_id(oldest_ms))
                doomed += database.execute(old.limit(_PURGED)).scalars()
            if most and not doomed:
                number = database.execute(select(func.count()).where(column.owner == owner)).scalar_one()
                if number > most:
                    doomed += database.execute(oldest.limit(min(_PURGED, number - most))).scalars()
            if doomed:
                database.execute(delete(entries).where(column.owner == owner, column.id <= doomed[-1]))
                if self._search:
                    searching.remove(database, owner, doomed[-1])
            return len(doomed)

        return await self._on(self._writing, lambda: self._transaction(work))

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        assert self._writer is not None  # noqa: S101
        try:
            with self._writer.begin():
                return work(self._writer)
        except BaseException:
            self._owners.clear()  # numbers of rows that were rolled back
            raise

    def _open_writer(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(f"sqlite:///{self._path}", connect_args={"check_same_thread": False, "timeout": 30})
        synchronous = "FULL" if self._full else "NORMAL"

        @event.listens_for(engine, "connect")
        def prepare(raw: object, _record: object) -> None:
            cursor = raw.cursor()  # type: ignore[attr-defined]
            for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "cache_size=-16384", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        self._engine = engine
        writer = engine.connect()
        with writer.begin():
            version = writer.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version > VERSION:
                raise ArchiveError(f"{self._path} is of a newer version of this program")
            metadata.create_all(writer)
            if self._search:
                writer.exec_driver_sql(searching.CREATE)
            writer.exec_driver_sql(f"PRAGMA user_version={VERSION}")
        self._writer = writer

    # In the reader's thread.

    def _open_reader(self) -> None:
        assert self._engine is not None  # noqa: S101
        self._reader = self._engine.connect()

    def _page(self, database: Connection, owner: str, query: Query) -> Page:
        number = selecting.owner_number(database, owner)
        # An archive that is not there yet has the number of none.
        selecting.check_ids(database, number or 0, query)
        if number is None:
            return Page([], True, 0)
        wanted = selecting.conditions(number, query)
        if query.most == 0:
            return Page([], False, selecting.count(database, wanted, None))
        rows, complete = selecting.page(database, wanted, query)
        return Page([Row(*row) for row in rows], complete, selecting.count(database, wanted, selecting.COUNTED))

    def _bounds(self, database: Connection, owner: str) -> tuple[Row, Row] | None:
        number = selecting.owner_number(database, owner)
        column = entries.c
        found = select(column.id).where(column.owner == number)
        first = database.execute(found.order_by(column.id).limit(1)).scalar()
        last = database.execute(found.order_by(column.id.desc()).limit(1)).scalar()
        if first is None or last is None:
            return None
        return Row(first, ""), Row(last, "")

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            assert self._reader is not None  # noqa: S101
            with self._reader.begin():
                return work(self._reader)

        return await self._on(self._reading, run)

    @staticmethod
    async def _on(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except (SQLAlchemyError, OSError) as error:
            raise ArchiveError(str(error)) from error


def _prefs(text: str | None) -> Prefs | None:
    if text is None:
        return None
    default, always, never = json.loads(text)
    return Prefs(default, tuple(always), tuple(never))


def _archives(database: Connection) -> list[tuple[int, bool]]:
    return [(row.number, row.room) for row in database.execute(select(owners.c.number, owners.c.room))]
