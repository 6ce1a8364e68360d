"""Which store a URL of the configuration means."""

from __future__ import annotations

from pathlib import Path

from xmpp_server.storage.api import Durability, Storage
from xmpp_server.storage.memory import MemoryStorage


def storage_for(url: str, durability: Durability = Durability.PROCESS) -> Storage:
    """Make the store (not opened) that `url` names.

    `sqlite:///xmpp.db` (from the working directory) or `sqlite:////var/lib/xmpp/xmpp.db`,
    `postgresql://user:password@host:port/database` (any URL that libpq takes), or `memory:`.

    Raises:
        ValueError: no store has such a URL, or its driver is not installed; the text says what to do.

    """
    if url == "memory:":
        return MemoryStorage()
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("sqlite", "postgresql"):
        raise ValueError("A storage URL starts with sqlite:///, postgresql:// or is memory:")
    # SQLAlchemy and its driver are loaded only by who uses them.
    from xmpp_server.storage.sql.store import SqlStorage

    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not rest.startswith("/") or not path or path == ":memory:":
            raise ValueError("The path of an SQLite file follows sqlite:///; nothing is kept by memory:")
        from xmpp_server.storage.sql.sqlite import SqliteDriver

        return SqlStorage(SqliteDriver(Path(path), durability), durability)
    try:
        from xmpp_server.storage.sql.postgresql import PostgresDriver
    except ImportError as error:
        raise ValueError("PostgreSQL needs the extra: pip install 'xmpp-server[postgresql]'") from error
    return SqlStorage(PostgresDriver(url, durability), durability)
