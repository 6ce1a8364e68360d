"""The archives of all users and rooms. An entry is there once, however often it is handed over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, select

from components.xmpp_archive import select as selecting
from components.xmpp_archive.batch import Item, stamp_ms
from components.xmpp_archive.database import Database
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.quota import DIGITS, Ages
from components.xmpp_archive.settings import Keep
from components.xmpp_archive.tables import entries, owners
from components.xmpp_archive.writer import PURGED, Writer, read_prefs

T = TypeVar("T")

_DAY_MS = 86_400_000


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


class Store:
    """All methods raise ArchiveError; `prefs` are those of users who have said nothing."""

    def __init__(self, database: Database, prefs: Prefs) -> None:
        self._database = database
        self._default = prefs
        self._writer = Writer(database, prefs)

    async def open(self) -> None:
        """Open or make the database."""
        await self._database.open()

    async def close(self) -> None:
        """Close it; what was handed over before is committed."""
        await self._database.close()

    async def write(self, items: Iterable[Item]) -> int:
        """Commit a batch in one transaction; return how many entries were new."""
        return await self._write(lambda database: self._writer.write(database, items))

    async def page(self, owner: str, query: Query) -> Page:
        """Return a page; raises RequestError item-not-found for ids that are not there."""
        return await self._database.read(lambda database: self._page(database, owner, query))

    async def bounds(self, owner: str) -> tuple[Row, Row] | None:
        """Return the first and the last entry, without their stanzas; None of an empty archive."""
        return await self._database.read(lambda database: self._bounds(database, owner))

    async def prefs(self, owner: str) -> Prefs:
        """Return what holds for a user."""

        def work(database: Connection) -> Prefs:
            text = database.execute(select(owners.c.prefs).where(owners.c.jid == owner)).scalar()
            return read_prefs(text) or self._default

        return await self._database.read(work)

    async def set_prefs(self, owner: str, prefs: Prefs) -> None:
        """Let preferences hold for a user, from the next batch on."""
        await self._write(lambda database: self._writer.set_prefs(database, owner, prefs))

    async def purge(self, keep: Keep, now_ms: int) -> int:
        """Delete what is too old or too much; return how many entries. Batches come in between."""
        total = 0
        domains: defaultdict[str, list[int]] = defaultdict(list)
        for owner, jid, room in await self._database.read(_archives):
            domains[jid.rpartition("@")[2]].append(owner)
            limit = keep.limit(jid, room)
            if limit.days or limit.messages:
                total += await self._trim(owner, now_ms - limit.days * _DAY_MS if limit.days else None, limit.messages)
        if keep.domain_messages:
            for archives in domains.values():
                total += await self._trim_together(archives, keep.domain_messages)
        return total

    async def trim(self, jid: str, oldest_ms: int | None, most: int = 0) -> int:
        """Delete what one archive has from before a time, and above a number; return how many entries."""
        owner = await self._database.read(lambda database: selecting.owner_number(database, jid))
        return 0 if owner is None else await self._trim(owner, oldest_ms, most)

    async def _trim_together(self, archives: Sequence[int], most: int) -> int:
        ages = Ages()
        for owner in archives:
            ages.add(await self._database.read(partial(selecting.ages, owner=owner, digits=DIGITS)))
        bound_ms = ages.bound_ms(most)
        return 0 if bound_ms is None else sum([await self._trim(owner, bound_ms, 0) for owner in archives])

    async def _trim(self, owner: int, oldest_ms: int | None, most: int) -> int:
        total = 0
        while True:
            deleted = await self._write(lambda database: self._writer.delete_some(database, owner, oldest_ms, most))
            total += deleted
            if not deleted or (deleted < PURGED and (oldest_ms is None or not most)):
                return total

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except BaseException:
            self._writer.forget()
            raise

    def _page(self, database: Connection, owner: str, query: Query) -> Page:
        number = selecting.owner_number(database, owner)
        # An archive that is not there yet has the number of none.
        selecting.check_ids(database, number or 0, query)
        if number is None:
            return Page([], True, 0)
        wanted = selecting.conditions(self._database, number, query)
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


def _archives(database: Connection) -> list[tuple[int, str, bool]]:
    wanted = select(owners.c.number, owners.c.jid, owners.c.room)
    return [(row.number, row.jid, row.room) for row in database.execute(wanted)]
