"""Stores to test: memory, SQLite in a temporary folder, PostgreSQL started on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres
from xmpp_server.storage.api import Durability, Storage
from xmpp_server.storage.memory import MemoryStorage
from xmpp_server.storage.sql.postgresql import PostgresDriver
from xmpp_server.storage.sql.sqlite import SqliteDriver
from xmpp_server.storage.sql.store import SqlStorage

__all__ = ["PostgresServer", "postgres"]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An open store of each kind."""
    made: Storage
    if request.param == "memory":
        made = MemoryStorage()
    elif request.param == "sqlite":
        made = SqlStorage(SqliteDriver(tmp_path / "xmpp.db", Durability.PROCESS), Durability.PROCESS)
    else:
        dsn = await request.getfixturevalue("postgres").new_database()
        made = SqlStorage(PostgresDriver(dsn, Durability.PROCESS), Durability.PROCESS)
    await made.open()
    yield made
    await made.close()
