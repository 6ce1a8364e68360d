"""What is done within one transaction of the writer: entries and erasures in their order, retractions, preferences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from sqlalchemy import Connection, Select, delete, func, select, text, update

from components.xmpp_archive import select as selecting
from components.xmpp_archive.batch import Entry, Erasure, Item, first_id, known_as, reference, stamp, stamp_ms
from components.xmpp_archive.database import Database
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.tables import Values, entries, owners
from components.xmpp_archive.tombstone import Retraction, bury

#: Owners whose numbers and preferences are remembered.
_REMEMBERED = 100_000
#: Rows deleted in one transaction, so that batches do not wait for long.
PURGED = 1000
#: Messages of one id that are looked at for a retraction: the ids are the senders', who may use one twice.
_SAME_ID = 20
#: The latest messages with a contact among which one is looked for, in the index: a client could ask again and again.
_LOOKED_THROUGH = 100_000
#: Copies of what a room says come one soon after the other: among so many of that room.
_COPIES_AMONG = 200


@dataclass(frozen=True, slots=True)
class Owner:
    """An archive, as the writer remembers it."""

    number: int
    prefs: Prefs | None


class Writer:
    """Remembers owners from one transaction to the next; `forget` after one that failed."""

    def __init__(self, tables: Database, prefs: Prefs) -> None:
        self._tables = tables
        self._default = prefs
        self._owners: dict[str, Owner] = {}

    def forget(self) -> None:
        """Forget numbers of rows that may have been rolled back."""
        self._owners.clear()

    def write(self, database: Connection, items: Iterable[Item]) -> int:
        """Add what is new; return how many entries."""
        rows: list[Values] = []
        new = 0
        for item in items:
            if isinstance(item, Erasure):
                new += self._insert(database, rows)
                rows = []
                self._erase(database, item.owner)
                continue
            if item.retraction is not None:  # it may be of something in this very batch
                new += self._insert(database, rows)
                rows = []
                self._retract(database, item, item.retraction)
            if (row := self._row(database, item)) is None:
                continue
            if item.groupchat and not item.room and self._has_copy(database, rows, row):
                continue
            rows.append(row)
        return new + self._insert(database, rows)

    def set_prefs(self, database: Connection, jid: str, prefs: Prefs) -> None:
        """Let preferences hold for a user."""
        known = self._owner(database, jid, room=False)
        written = json.dumps([prefs.default, prefs.always, prefs.never])
        database.execute(update(owners).where(owners.c.number == known.number).values(prefs=written))
        self._owners.pop(jid, None)

    def delete_some(self, database: Connection, owner: int, oldest_ms: int | None, most: int) -> int:
        """Delete some of what is older than a time or, if there is none of that, of what is too much."""
        column = entries.c
        oldest = select(column.id).where(column.owner == owner).order_by(column.id)
        doomed: list[str] = []
        if oldest_ms is not None:
            old = oldest.where(column.id < first_id(oldest_ms))
            doomed += database.execute(old.limit(PURGED)).scalars()
        if most and not doomed:
            number = database.execute(select(func.count()).where(column.owner == owner)).scalar_one()
            if number > most:
                doomed += database.execute(oldest.limit(min(PURGED, number - most))).scalars()
        if doomed:
            database.execute(delete(entries).where(column.owner == owner, column.id <= doomed[-1]))
            if self._tables.texts is not None:
                self._tables.texts.forget(database, owner, doomed[-1])
        return len(doomed)

    def _insert(self, database: Connection, rows: list[Values]) -> int:
        return self._tables.insert(database, rows) if rows else 0

    def _row(self, database: Connection, entry: Entry) -> Values | None:
        owner = self._owners.get(entry.owner) or self._owner(database, entry.owner, room=entry.room)
        if not entry.room and not (owner.prefs or self._default).wants(entry.contact, entry.in_roster):
            return None
        bare, _, resource = entry.contact.partition("/")
        return owner.number, entry.id, bare, resource, entry.groupchat, entry.stanza, entry.reference

    @staticmethod
    def _has_copy(database: Connection, rows: list[Values], row: Values) -> bool:
        """Tell whether a user has what a room said already: each client in the room gets a copy."""
        owner, ident, contact, *_, stanza, name = row
        if name is None:
            return False
        column = entries.c
        found = select(column.id, column.stanza).where(column.owner == owner)
        found = found.where(column.id.in_(_named(owner, contact, name, _COPIES_AMONG)))
        same = [
            *((one.id, one.stanza) for one in database.execute(found)),
            *((one[1], one[5]) for one in rows if (one[0], one[2], one[6]) == (owner, contact, name)),
        ]
        if not same:
            return False
        known = _known(stanza)
        return any(other != ident and _known(text) == known for other, text in same)

    def _retract(self, database: Connection, entry: Entry, retraction: Retraction) -> None:
        """Put a tombstone in the place of what is taken back by who has said it, or by the room."""
        column = entries.c
        owner = self._owner(database, entry.owner, room=entry.room).number
        target = retraction.target
        found = select(column.id, column.stanza).where(column.owner == owner)
        if entry.room:
            found = found.where(column.id == target)
        else:
            contact = entry.contact.partition("/")[0]
            found = found.where(column.id.in_(_named(owner, contact, reference(target), _LOOKED_THROUGH)))
        for row in database.execute(found.order_by(column.id.desc()).limit(_SAME_ID)).all():
            tombstone = bury(row.stanza, entry.owner, retraction, stamp(stamp_ms(entry.id)))
            if tombstone is None:
                continue
            one = update(entries).where(column.owner == owner, column.id == row.id)
            database.execute(one.values(stanza=tombstone))
            if self._tables.texts is not None:
                self._tables.texts.forget_one(database, owner, row.id, row.stanza)

    def _owner(self, database: Connection, jid: str, *, room: bool) -> Owner:
        wanted = select(owners.c.number, owners.c.prefs).where(owners.c.jid == jid)
        row = database.execute(wanted).first()
        if row is None:
            add = text("INSERT INTO owners (jid, room) VALUES (:jid, :room) ON CONFLICT DO NOTHING")
            database.execute(add, {"jid": jid, "room": room})
            row = database.execute(wanted).one()
        if len(self._owners) >= _REMEMBERED:
            self._owners.clear()
        owner = self._owners[jid] = Owner(row.number, read_prefs(row.prefs))
        return owner

    def _erase(self, database: Connection, jid: str) -> None:
        number = selecting.owner_number(database, jid)
        if number is not None:
            database.execute(delete(entries).where(entries.c.owner == number))
            if self._tables.texts is not None:
                self._tables.texts.forget(database, number, None)
            database.execute(delete(owners).where(owners.c.number == number))
        self._owners.pop(jid, None)


def _named(owner: int, contact: str, name: int | None, most: int) -> Select[tuple[str]]:
    """Return the ids of messages, among the latest `most` with a contact, that have a reference."""
    column = entries.c
    latest = select(column.id, column.reference).where(column.owner == owner, column.contact == contact)
    some = latest.order_by(column.id.desc()).limit(most).subquery()
    return select(some.c.id).where(some.c.reference == name).limit(_SAME_ID)


def _known(stanza: str) -> str | None:
    return known_as(ET.fromstring(stanza))  # noqa: S314 - it was parsed before it came here


def read_prefs(written: str | None) -> Prefs | None:
    """Return preferences as they stand in the database."""
    if written is None:
        return None
    default, always, never = json.loads(written)
    return Prefs(default, tuple(always), tuple(never))
