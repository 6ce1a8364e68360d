"""The tree of a store, as SQL: changing it. Each function runs within one transaction."""

from __future__ import annotations

import sqlite3

from components.xmpp_files.intake import LONGEST_S
from components.xmpp_files.network_disk import names, tree
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.schema import PURPOSE, TOP
from components.xmpp_files.network_disk.tree import Entry

_SAME_NAMES = 1000


def add(
    database: sqlite3.Connection, store: str, parent: int, name: str, file: str | None, author: str, now: int
) -> Entry | None:
    """Add a folder, or a file under the first free name like its own; None while the file's slot is open.

    Raises:
        DiskError: There is no such folder, it is too deep, or has a folder of this name already.

    """
    above = tree.folder(database, store, parent)
    depth = 0 if above is None else len(tree.path_of(database, above))
    if depth >= names.MAX_DEPTH:
        raise DiskError(Reason.BAD, f"Folders lie at most {names.MAX_DEPTH} deep")
    free = _free_name(database, store, parent, name) if file is not None else name
    _check_free(database, store, parent, free)
    row = (store, parent, file is not None, free, names.key(free), file, author, now)
    cursor = database.execute(
        "INSERT INTO entries (store, parent, is_file, name, key, file, author, changed) VALUES (?,?,?,?,?,?,?,?)", row
    )
    try:
        return tree.entry(database, cursor.lastrowid or 0)
    except DiskError:
        return None


def move(database: sqlite3.Connection, found: Entry, parent: int, name: str, now: int) -> Entry:
    """Rename an entry, or move it to another folder of its store.

    Raises:
        DiskError: The folder is missing, in the entry itself, or has something of that name; or it gets too deep.

    """
    above = tree.folder(database, found.store, parent)
    if above is not None:
        if tree.within(database, above, found.id):
            raise DiskError(Reason.BAD, "A folder cannot be moved into itself")
        if len(tree.path_of(database, above)) + _height(database, found) > names.MAX_DEPTH:
            raise DiskError(Reason.BAD, f"Folders lie at most {names.MAX_DEPTH} deep")
    if (parent, names.key(name)) != (found.parent, found.key):
        _check_free(database, found.store, parent, name)
    database.execute(
        "UPDATE entries SET parent = ?, name = ?, key = ?, changed = ? WHERE id = ?",
        (parent, name, names.key(name), now, found.id),
    )
    return tree.entry(database, found.id)


def remove(database: sqlite3.Connection, found: Entry, now: int) -> list[str]:
    """Remove an entry and all that is in it; return the files whose bytes can go now.

    The files count until their bytes are gone: a crash in between leaves them to the purge.
    """
    below = (found.id, found.store)
    files = "SELECT file FROM entries WHERE id IN below AND file IS NOT NULL"
    rows = database.execute(
        f"{tree.BELOW} SELECT id FROM files WHERE slot_until IS NULL AND id IN ({files})",  # noqa: S608 - constants
        below,
    ).fetchall()
    # A PUT may still come for what has an open slot: that is removed when none can.
    database.execute(
        f"{tree.BELOW} UPDATE files SET expires = coalesce(slot_until + ?, ?) WHERE id IN ({files})",  # noqa: S608 - constants
        (*below, LONGEST_S + 600, now),
    )
    database.execute(f"{tree.BELOW} DELETE FROM entries WHERE id IN below", below)  # noqa: S608 - constant
    return [file for (file,) in rows]


def check_count(database: sqlite3.Connection, store: str, most: int) -> None:
    """Refuse more entries than a store may have.

    Raises:
        DiskError: There are so many already.

    """
    (count,) = database.execute("SELECT count(*) FROM entries WHERE store = ?", (store,)).fetchone()
    if count >= most:
        raise DiskError(Reason.FULL, f"A store has at most {most} files and folders")


def _check_free(database: sqlite3.Connection, store: str, parent: int, name: str) -> None:
    if _is_taken(database, store, parent, name):
        raise DiskError(Reason.TAKEN, f"There is a {name!r} already")


def _free_name(database: sqlite3.Connection, store: str, parent: int, name: str) -> str:
    for number in range(1, _SAME_NAMES):
        free = names.numbered(name, number)
        if not _is_taken(database, store, parent, free):
            return free
    raise DiskError(Reason.TAKEN, f"There are too many files named {name!r}")


def _is_taken(database: sqlite3.Connection, store: str, parent: int, name: str) -> bool:
    own = names.key(name)
    if parent == TOP and own == names.key(names.UPLOADS):
        return True
    query = "SELECT 1 FROM entries WHERE store = ? AND parent = ? AND key = ?"
    return database.execute(query, (store, parent, own)).fetchone() is not None


def _height(database: sqlite3.Connection, found: Entry) -> int:
    """Return how many levels an entry has, itself included."""
    (height,) = database.execute(
        "WITH RECURSIVE below (id, level) AS (SELECT ?, 1 UNION ALL"
        " SELECT e.id, b.level + 1 FROM below b JOIN entries e ON e.store = ? AND e.parent = b.id)"
        " SELECT max(level) FROM below",
        (found.id, found.store),
    ).fetchone()
    return int(height)


def stores(database: sqlite3.Connection) -> list[str]:
    """Return all stores that have something in their tree."""
    return [store for (store,) in database.execute("SELECT DISTINCT store FROM entries")]


def remove_store(database: sqlite3.Connection, store: str, now: int) -> None:
    """Remove all that is in a tree; the purge frees the space."""
    database.execute(
        "UPDATE files SET expires = coalesce(slot_until + ?, ?)"
        " WHERE id IN (SELECT file FROM entries WHERE store = ? AND file IS NOT NULL)",
        (LONGEST_S + 600, now, store),
    )
    database.execute("DELETE FROM entries WHERE store = ?", (store,))


def end_homeless(database: sqlite3.Connection, now: int, *, coming: bool = False) -> int:
    """End files that were put here but have no name; return how many those were.

    Args:
        database: To change.
        now: Seconds since 1970.
        coming: Also those that are on their way: files of forms get their names in the end.

    """
    return database.execute(
        "UPDATE files SET expires = ?1, slot_until = NULL WHERE purpose = ?2 AND expires IS NULL"
        " AND (?3 OR slot_until IS NULL) AND NOT EXISTS (SELECT 1 FROM entries WHERE file = files.id)",
        (now, PURPOSE, coming),
    ).rowcount
