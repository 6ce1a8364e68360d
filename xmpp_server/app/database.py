"""The schema of the configured database, looked at without changing anything."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from xmpp_server.storage.api import SchemaError, StorageError
from xmpp_server.storage.sql.migration import HEAD, needs_upgrade, revision_postgresql, revision_sqlite
from xmpp_server.storage.sql.statements import for_postgresql, for_sqlite


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current` is None for an empty database.

    `state` is "up to date", "to be upgraded" or "newer than this server".
    """

    current: str | None
    newest: str
    state: str


async def schema_status(url: str) -> SchemaStatus:
    """Look at a database.

    Raises:
        StorageError: It cannot be read.

    """
    if url == "memory:":
        return SchemaStatus(HEAD, HEAD, "up to date")
    current = _sqlite(url) if url.startswith("sqlite:") else await _postgresql(url)
    try:
        state = "to be upgraded" if needs_upgrade(current) else "up to date"
    except SchemaError:
        state = "newer than this server"
    return SchemaStatus(current, HEAD, state)


def _sqlite(url: str) -> str | None:
    path = Path(url.removeprefix("sqlite:///"))
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return revision_sqlite(connection, for_sqlite())
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageError(f"{path}: {error}") from None


async def _postgresql(url: str) -> str | None:
    import asyncpg  # type: ignore[import-untyped]  # it brings no types

    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await revision_postgresql(connection, for_postgresql())
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise StorageError(f"the database cannot be reached: {error}") from None
