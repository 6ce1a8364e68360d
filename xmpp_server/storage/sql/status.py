"""`db status`: the schema of a database from outside a running server."""

from __future__ import annotations

from dataclasses import dataclass

from xmpp_server.storage.sql.migration import REVISIONS
from xmpp_server.storage.urls import storage_for


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The revision of a database (None: an empty one) and the newest that this server knows."""

    revision: str | None
    head: str = REVISIONS[-1]

    @property
    def verdict(self) -> str:
        """One of "current", "empty", "older" (to upgrade) and "newer" (refused)."""
        if self.revision is None:
            return "empty"
        if self.revision == self.head:
            return "current"
        return "older" if self.revision in REVISIONS else "newer"


async def schema_status(url: str) -> SchemaStatus:
    """Read the revision of a database, changing nothing.

    Raises:
        ValueError: the URL names no SQL store.
        StorageError: the database cannot be read.

    """
    from xmpp_server.storage.sql.store import SqlStorage

    storage = storage_for(url)
    if not isinstance(storage, SqlStorage):
        raise ValueError("This store has no schema")
    return SchemaStatus(await storage.revision())
