"""The tree of a store, as SQL: reading it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from components.xmpp_files.network_disk import names
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.schema import TOP

#: A file whose slot is still open is not there yet.
_ENTRY = (
    "SELECT e.id, e.store, e.parent, e.name, e.file, e.author, e.changed, coalesce(f.size, 0),"
    " coalesce(f.content_type, ''), e.key FROM entries e LEFT JOIN files f ON f.id = e.file"
)
#: An entry and all that is in it, as a table `below`; takes its id and its store.
BELOW = (
    "WITH RECURSIVE below (id) AS (SELECT ? UNION ALL"
    " SELECT e.id FROM below b JOIN entries e ON e.store = ? AND e.parent = b.id)"
)
_THERE = "(e.file IS NULL OR f.slot_until IS NULL)"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder; `changed` is in seconds since 1970."""

    id: int
    store: str
    parent: int
    name: str
    file: str | None
    author: str
    changed: int
    size: int
    content_type: str
    key: str

    @property
    def is_folder(self) -> bool:
        """Tell folders from files."""
        return self.file is None

    @property
    def cursor(self) -> str:
        """What a page goes on after, also when the entry is gone by then."""
        return f"{0 if self.is_folder else 1}{self.key}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries in their order, folders first; `after` leads to the next ones, None at the end."""

    entries: Sequence[Entry]
    after: str | None


def entry(database: sqlite3.Connection, entry_id: int) -> Entry:
    """Return an entry.

    Raises:
        DiskError: There is none.

    """
    row = database.execute(f"{_ENTRY} WHERE e.id = ? AND {_THERE}", (entry_id,)).fetchone()
    if row is None:
        raise DiskError(Reason.MISSING, "There is no such file or folder")
    return Entry(*row)


def folder(database: sqlite3.Connection, store: str, folder_id: int) -> Entry | None:
    """Return a folder of a store; None is its top.

    Raises:
        DiskError: There is none.

    """
    if folder_id == TOP:
        return None
    found = entry(database, folder_id)
    if found.store != store or not found.is_folder:
        raise DiskError(Reason.MISSING, "There is no such folder")
    return found


def page(database: sqlite3.Connection, store: str, parent: int, after: str | None, limit: int) -> Page:
    """Return what is in a folder.

    Args:
        database: To read from.
        store: Whose.
        parent: The folder.
        after: The cursor of the entry before; None for the first page.
        limit: How many at most.

    """
    is_file, key = (int(after[:1] == "1"), after[1:]) if after else (0, "")
    rows = database.execute(
        f"{_ENTRY} WHERE e.store = ? AND e.parent = ? AND (e.is_file, e.key) > (?, ?) AND {_THERE}"
        " ORDER BY e.is_file, e.key LIMIT ?",
        (store, parent, is_file, key, limit + 1),
    ).fetchall()
    entries = [Entry(*row) for row in rows[:limit]]
    return Page(entries, entries[-1].cursor if len(rows) > limit else None)


def path_of(database: sqlite3.Connection, found: Entry) -> list[Entry]:
    """Return the folders above an entry and the entry itself, from the top down."""
    path = [found]
    while path[-1].parent != TOP and len(path) <= 2 * names.MAX_DEPTH:
        path.append(entry(database, path[-1].parent))
    return path[::-1]


def resolve(database: sqlite3.Connection, store: str, path: str) -> Entry | None:
    """Return what a path leads to; None is the top.

    Raises:
        DiskError: To nothing.

    """
    found: Entry | None = None
    for name in names.segments(path):
        row = database.execute(
            f"{_ENTRY} WHERE e.store = ? AND e.parent = ? AND e.key = ? AND {_THERE}",
            (store, TOP if found is None else found.id, names.key(name)),
        ).fetchone()
        if row is None:
            raise DiskError(Reason.MISSING, f"There is no {name!r} there")
        found = Entry(*row)
    return found


def within(database: sqlite3.Connection, found: Entry, ancestor: int) -> bool:
    """Tell whether an entry is a folder's, or that folder itself."""
    return any(one.id == ancestor for one in path_of(database, found))


def authors(database: sqlite3.Connection, found: Entry) -> set[str]:
    """Return who has made an entry and all that is in it."""
    query = f"{BELOW} SELECT DISTINCT author FROM entries WHERE id IN below"  # noqa: S608 - constant
    rows = database.execute(query, (found.id, found.store))
    return {author for (author,) in rows}
