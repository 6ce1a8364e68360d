"""What the store of an account shows besides its tree: files that were uploaded by XEP-0363; as SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from components.xmpp_files.index import File
from components.xmpp_files.network_disk import changes
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.schema import PURPOSE
from components.xmpp_files.network_disk.tree import Entry
from components.xmpp_files.purposes import Purpose
from components.xmpp_files.quota import HOUR_S

#: Rows of `files` that are somebody's uploads; takes whose and the time.
_UPLOAD = (
    f"owner = ? AND slot_until IS NULL AND purpose != '{PURPOSE}' AND (expires IS NULL OR expires > ?)"  # noqa: S608 - constant
    " AND NOT EXISTS (SELECT 1 FROM entries WHERE file = files.id)"
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. Times are seconds since 1970; `expires` None is never."""

    id: str
    name: str
    size: int
    content_type: str
    created: int
    expires: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some uploads, the latest first; `after` leads to the next ones, None at the end."""

    uploads: Sequence[Upload]
    after: str | None


def page(database: sqlite3.Connection, owner: str, now: int, after: str | None, limit: int) -> Page:
    """Return a user's uploads from a cursor on.

    Raises:
        DiskError: The cursor is none.

    """
    created, _, file_id = (after or "").partition(".")
    if after and not (created.isascii() and created.isdigit() and len(created) < 16):
        raise DiskError(Reason.BAD, "There is no such page")
    bound = (int(created), file_id) if after else (1 << 62, "")
    rows = database.execute(
        f"SELECT id, name, size, content_type, created, expires FROM files WHERE {_UPLOAD}"  # noqa: S608 - constant
        " AND (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT ?",
        (owner, now, *bound, limit + 1),
    ).fetchall()
    uploads = [Upload(*row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(uploads, f"{uploads[-1].created}.{uploads[-1].id}" if more else None)


def end(database: sqlite3.Connection, owner: str, file_id: str, now: int) -> None:
    """Let an upload end now; the purge removes it if nobody else does.

    Raises:
        DiskError: There is no such upload.

    """
    query = f"UPDATE files SET expires = ? WHERE id = ? AND {_UPLOAD}"  # noqa: S608 - constant
    if not database.execute(query, (now, file_id, owner, now)).rowcount:
        raise DiskError(Reason.MISSING, "There is no such upload")


def keep(database: sqlite3.Connection, owner: str, file_id: str, parent: int, now: int) -> Entry:
    """Give an upload a name in the tree of its owner; it stays from now on, and so does its address.

    Raises:
        DiskError: There is no such upload, or no such folder.

    """
    query = f"SELECT name, purpose FROM files WHERE id = ? AND {_UPLOAD}"  # noqa: S608 - constant
    row = database.execute(query, (file_id, owner, now)).fetchone()
    if row is None:
        raise DiskError(Reason.MISSING, "There is no such upload")
    name, purpose = row
    if purpose == Purpose.EPHEMERAL:
        raise DiskError(Reason.BAD, "This file was sent to end at its time")
    kept = changes.add(database, owner, parent, name, file_id, owner, now)
    if kept is None:
        raise DiskError(Reason.MISSING, "There is no such upload")
    database.execute("UPDATE files SET expires = NULL WHERE id = ?", (file_id,))
    return kept


def set_size(database: sqlite3.Connection, file: File, size: int) -> None:
    """Note that a file is stored, and that it is smaller than was reserved.

    Raises:
        DiskError: The reservation is gone.

    """
    if not database.execute("DELETE FROM files WHERE id = ?", (file.id,)).rowcount:
        raise DiskError(Reason.MISSING, "It took too long")
    database.execute(
        "INSERT INTO files (id, owner, host, name, size, content_type, purpose, created) VALUES (?,?,?,?,?,?,?,?)",
        (file.id, file.owner, file.host, file.name, size, file.content_type, file.purpose, file.created),
    )
    database.execute(
        "UPDATE hours SET bytes = max(0, bytes - ?) WHERE owner = ? AND hour = ?",
        (file.size - size, file.owner, file.created // HOUR_S),
    )
