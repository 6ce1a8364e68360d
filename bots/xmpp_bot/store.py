"""What a bot remembers, in one SQLite file: values by user, room and bot; messages handled; messages to be sent.

A command is answered once whatever happens to the process: it is noted with its content before the server learns that
it arrived, and struck out in the same transaction that notes its first answer; an answer is noted until the very moment
it is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

import msgspec

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS value (scope TEXT, owner TEXT, key TEXT, data BLOB, PRIMARY KEY (scope, owner, key))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS handled (key TEXT PRIMARY KEY, stamp REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS handled_stamp ON handled (stamp);
CREATE TABLE IF NOT EXISTS inbox (key TEXT PRIMARY KEY, data BLOB);
CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, data BLOB);
"""


class Shelf:
    """Values of one user, room or of the bot: anything that JSON can say."""

    def __init__(self, db: sqlite3.Connection, scope: str, owner: str) -> None:
        self._db = db
        self._place = (scope, owner)

    @overload
    def get(self, key: str) -> object: ...
    @overload
    def get(self, key: str, default: T) -> T: ...
    def get(self, key: str, default: object = None) -> object:
        """Return a value, of the default's type if that is given: another type is taken for absence."""
        sql = "SELECT data FROM value WHERE scope = ? AND owner = ? AND key = ?"
        row = self._db.execute(sql, (*self._place, key)).fetchone()
        if row is None:
            return default
        value: object = msgspec.json.decode(row[0])
        return value if default is None or isinstance(value, type(default)) else default

    def set(self, key: str, value: object) -> None:
        """Keep a value."""
        with self._db:
            row = (*self._place, key, msgspec.json.encode(value))
            self._db.execute("INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)", row)

    def delete(self, key: str) -> bool:
        """Forget a value; False if there was none."""
        with self._db:
            sql = "DELETE FROM value WHERE scope = ? AND owner = ? AND key = ?"
            return self._db.execute(sql, (*self._place, key)).rowcount > 0

    def items(self) -> Iterator[tuple[str, object]]:
        """All values, by key."""
        sql = "SELECT key, data FROM value WHERE scope = ? AND owner = ? ORDER BY key"
        for key, data in self._db.execute(sql, self._place).fetchall():
            yield key, msgspec.json.decode(data)


class Store:
    """The file; ":memory:" for none."""

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def shelf(self, scope: str, owner: str = "") -> Shelf:
        """Return the values of somebody."""
        return Shelf(self._db, scope, owner)

    def receive(self, keys: Sequence[str], data: bytes, now: float, *, late: bool = False) -> bool:
        """Note a message that is to be handled, under its first key; False if it came before.

        One that comes `late` came before if any of its keys is known: an archive may have given its id afterwards.
        """
        asked = keys if late else keys[:1]
        with self._db:
            if any(self._db.execute("SELECT 1 FROM handled WHERE key = ?", (key,)).fetchone() for key in asked):
                return False
            self._db.executemany("INSERT OR IGNORE INTO handled VALUES (?, ?)", [(key, now) for key in keys])
            self._db.execute("INSERT OR REPLACE INTO inbox VALUES (?, ?)", (keys[0], data))
        return True

    def waiting(self) -> list[tuple[str, bytes]]:
        """Return the messages that were never answered, oldest first."""
        return self._db.execute("SELECT key, data FROM inbox ORDER BY rowid").fetchall()

    def done(self, key: str) -> None:
        """Strike out a message that needs no (further) answer."""
        with self._db:
            self._db.execute("DELETE FROM inbox WHERE key = ?", (key,))

    def answer(self, key: str, ident: str, data: bytes) -> None:
        """Strike out a message and note an answer, in one."""
        with self._db:
            self._db.execute("DELETE FROM inbox WHERE key = ?", (key,))
            self._db.execute("INSERT OR REPLACE INTO outbox VALUES (?, ?)", (ident, data))

    def sent(self, ident: str) -> None:
        """Strike out an answer that is on its way."""
        with self._db:
            self._db.execute("DELETE FROM outbox WHERE id = ?", (ident,))

    def unsent(self) -> list[bytes]:
        """Return the answers that were never sent, oldest first."""
        return [data for (data,) in self._db.execute("SELECT data FROM outbox ORDER BY rowid").fetchall()]

    def prune(self, before: float) -> None:
        """Forget which messages were handled before a moment."""
        with self._db:
            self._db.execute("DELETE FROM handled WHERE stamp < ?", (before,))
