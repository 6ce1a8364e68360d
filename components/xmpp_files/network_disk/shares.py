"""Shares: links that let whoever knows them read one entry, until they are taken back or end; as SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from components.xmpp_files.network_disk import tree
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.tree import Entry
from components.xmpp_files.slots import new_id

_COLUMNS = "s.token, s.entry, e.name, s.store, s.author, s.recipient, s.created, s.expires"
_FROM = "FROM shares s JOIN entries e ON e.id = s.entry"
_RUNS = "(s.expires IS NULL OR s.expires > ?)"


@dataclass(frozen=True, slots=True)
class Share:
    """One link. Times are seconds since 1970; `expires` None is never; `recipient` is "" if nobody was told."""

    token: str
    entry: int
    name: str
    store: str
    author: str
    recipient: str
    created: int
    expires: int | None


def add(database: sqlite3.Connection, shared: Entry, author: str, recipient: str, now: int, until: int | None) -> Share:
    """Share an entry."""
    share = Share(new_id(), shared.id, shared.name, shared.store, author, recipient, now, until)
    database.execute(
        "INSERT INTO shares VALUES (?,?,?,?,?,?,?)",
        (share.token, shared.id, shared.store, author, recipient, now, until),
    )
    return share


def get(database: sqlite3.Connection, token: str, now: int) -> Share:
    """Return a share.

    Raises:
        DiskError: There is none, or no longer.

    """
    row = database.execute(f"SELECT {_COLUMNS} {_FROM} WHERE s.token = ? AND {_RUNS}", (token, now)).fetchone()
    if row is None:
        raise DiskError(Reason.MISSING, "This link leads nowhere, or no longer")
    return Share(*row)


def opened(database: sqlite3.Connection, token: str, entry_id: int | None, now: int) -> Entry:
    """Return what a share lets see: its entry, or one within.

    Raises:
        DiskError: The share does not lead there.

    """
    share = get(database, token, now)
    found = tree.entry(database, share.entry if entry_id is None else entry_id)
    if found.store != share.store or not tree.within(database, found, share.entry):
        raise DiskError(Reason.MISSING, "This link leads nowhere, or no longer")
    return found


def of_store(database: sqlite3.Connection, store: str, now: int, after: str, limit: int) -> Sequence[Share]:
    """Return the shares of a store by token, those after a token."""
    return _page(database, "s.store = ?", store, now, after, limit)


def of_entry(database: sqlite3.Connection, entry: int, now: int) -> list[Share]:
    """Return the shares of an entry."""
    rows = database.execute(f"SELECT {_COLUMNS} {_FROM} WHERE s.entry = ? AND {_RUNS} LIMIT 100", (entry, now))
    return [Share(*row) for row in rows]


def shared_with(database: sqlite3.Connection, recipient: str, now: int, after: str, limit: int) -> Sequence[Share]:
    """Return what others have shared with somebody, by token, those after a token."""
    return _page(database, "s.recipient = ?", recipient, now, after, limit)


def revoke(database: sqlite3.Connection, token: str) -> None:
    """Take a share back: its link leads nowhere from now on."""
    database.execute("DELETE FROM shares WHERE token = ?", (token,))


def forget_old(database: sqlite3.Connection, now: int) -> None:
    """Drop what has ended."""
    database.execute("DELETE FROM shares WHERE expires <= ?", (now,))


def _page(database: sqlite3.Connection, condition: str, who: str, now: int, after: str, limit: int) -> Sequence[Share]:
    query = f"SELECT {_COLUMNS} {_FROM} WHERE {condition} AND {_RUNS} AND s.token > ? ORDER BY s.token LIMIT ?"
    return [Share(*row) for row in database.execute(query, (who, now, after, limit))]
