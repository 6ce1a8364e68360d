"""Bringing the schema up to date: Alembic has written the SQL (`compiler`), the driver's own connection executes it.

Each upgrade is one transaction under a lock, so a process that dies leaves the old schema, and a second one that
starts at the same time waits and finds the work done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from xmpp_server.storage.api import SchemaError
from xmpp_server.storage.sql.statements import COMPILED, DialectName, Statements

#: The revisions of the schema, oldest first; `migrations/versions` holds one file for each.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]


class PostgresConnection(Protocol):
    """What is used here of asyncpg's connections (asyncpg brings no types)."""

    async def execute(self, sql: str, *values: object) -> str:
        """Execute a statement, or several that take no values."""

    async def fetch(self, sql: str, *values: object) -> Sequence[object]:
        """Execute a statement and return its rows."""

    async def fetchval(self, sql: str, *values: object) -> object:
        """Execute a statement and return the first value of the first row, or None."""

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """A transaction that is rolled back by an exception."""

    def is_closed(self) -> bool:
        """Tell whether the connection is closed or lost."""

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109  asyncpg's interface
        """Close in good order."""

    def terminate(self) -> None:
        """Close at once."""


def needs_upgrade(revision: str | None) -> bool:
    """Tell whether a database at `revision` (None: an empty one) is older than this server.

    Raises:
        SchemaError: it is newer.

    """
    if revision is not None and revision not in REVISIONS:
        raise SchemaError(
            f"The database has schema {revision}, but this version of the server knows up to {HEAD}: "
            "it was upgraded by a newer version. Start that version, or restore a backup from before the upgrade."
        )
    return revision != HEAD


def upgrade_sql(revision: str | None, dialect: DialectName) -> str:
    """Read the SQL that leads from `revision` to the newest, without transaction statements."""
    behind = 0 if revision is None else REVISIONS.index(revision) + 1
    return "".join(upgrade_file(dialect, step).read_text() for step in REVISIONS[behind:])


def upgrade_file(dialect: DialectName, revision: str) -> Path:
    """Name the file with the SQL that leads to `revision` from the one before."""
    return COMPILED / f"{dialect}-{revision}.sql"


def revision_sqlite(connection: sqlite3.Connection, statements: Statements) -> str | None:
    """Read the revision of a database, None for an empty one."""
    exists = connection.execute(statements.has_revision.sql, statements.has_revision.bind()).fetchall()
    if not exists[0][0]:
        return None
    rows: Sequence[tuple[str]] = connection.execute(statements.revision.sql).fetchall()
    return rows[0][0] if rows else None


def upgrade_sqlite(connection: sqlite3.Connection, statements: Statements) -> None:
    """Upgrade a database in one transaction."""
    if not needs_upgrade(revision_sqlite(connection, statements)):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        revision = revision_sqlite(connection, statements)  # another process may have been quicker
        if needs_upgrade(revision):
            for statement in _split(upgrade_sql(revision, "sqlite")):
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


async def revision_postgresql(connection: PostgresConnection, statements: Statements) -> str | None:
    """Read the revision of a database, None for an empty one."""
    if not await connection.fetchval(statements.has_revision.sql, *statements.has_revision.bind()):
        return None
    revision = await connection.fetchval(statements.revision.sql)
    return None if revision is None else str(revision)


async def upgrade_postgresql(connection: PostgresConnection, statements: Statements) -> None:
    """Upgrade a database in one transaction."""
    if not needs_upgrade(await revision_postgresql(connection, statements)):
        return
    async with connection.transaction():
        await connection.execute(statements.lock_schema.sql, *statements.lock_schema.bind())
        revision = await revision_postgresql(connection, statements)
        if needs_upgrade(revision):
            await connection.execute(upgrade_sql(revision, "postgresql"))


def _split(sql: str) -> list[str]:
    """Split SQL for SQLite into statements (its own `executescript` would commit first)."""
    statements, statement = [], ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements
