"""Which database a configuration wants."""

from __future__ import annotations

from pathlib import Path

from components.xmpp_archive.database import Database
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.sqlite import SqliteDatabase


def database_for(url: str, path: Path, *, full: bool, search: bool) -> Database:
    """Return the database of an address, still closed; without one, SQLite in a file.

    Raises:
        ArchiveError: What PostgreSQL takes is not installed.

    """
    if not url:
        return SqliteDatabase(path, full=full, search=search)
    try:
        from components.xmpp_archive.postgresql import PostgresDatabase  # who has SQLite does not need its libraries
    except ImportError:
        raise ArchiveError("PostgreSQL needs more: pip install 'xmpp-server[postgresql]'") from None
    return PostgresDatabase(url, full=full, search=search)
