from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from xmpp_server.storage.api import SchemaError
from xmpp_server.storage.sql import migration
from xmpp_server.storage.sql.migration import REVISIONS
from xmpp_server.storage.sql.schema import metadata
from xmpp_server.storage.sql.statements import compiled_for
from xmpp_server.storage.sql.status import SchemaStatus, schema_status
from xmpp_server.storage.urls import storage_for

if TYPE_CHECKING:
    from tests.storage.conftest import PostgresServer


def execute(path: Path, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


async def upgrade(url: str) -> None:
    """Opening a store upgrades it."""
    storage = storage_for(url)
    await storage.open()
    await storage.close()


def test_each_revision_has_its_file() -> None:
    files = sorted((Path(migration.__file__).parent / "migrations" / "versions").glob("0*.py"))
    assert tuple(file.name[:4] for file in files) == REVISIONS


async def test_upgrade_makes_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    assert await schema_status(url) == SchemaStatus(None)
    await upgrade(url)
    assert (await schema_status(url)).verdict == "current"
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_status_changes_nothing(tmp_path: Path) -> None:
    assert (await schema_status(f"sqlite:///{tmp_path}/x.db")).verdict == "empty"
    assert not (tmp_path / "x.db").exists()


async def test_newer_schema_is_refused_and_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    await upgrade(url)
    execute(tmp_path / "x.db", "UPDATE alembic_version SET version_num = '9999'")
    assert (await schema_status(url)).verdict == "newer"
    with pytest.raises(SchemaError, match="newer version"):
        await storage_for(url).open()
    assert execute(tmp_path / "x.db", "SELECT version_num FROM alembic_version") == [("9999",)]


def test_upgrade_that_breaks_off_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = compiled_for("sqlite")
    sql = migration.upgrade_sql(None, "sqlite")
    broken = sql.replace("INSERT INTO alembic_version", "INSERT INTO nowhere")
    assert broken != sql
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(migration, "upgrade_sql", lambda *_: broken)
            with pytest.raises(sqlite3.OperationalError, match="nowhere"):
                migration.upgrade_sqlite(connection, statements)
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchall() == [(0,)]
        migration.upgrade_sqlite(connection, statements)
        assert migration.revision_sqlite(connection, statements) == REVISIONS[-1]


async def test_two_that_start_at_once_upgrade_once(tmp_path: Path) -> None:
    stores = [storage_for(f"sqlite:///{tmp_path}/x.db") for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.close()


async def test_postgresql_two_that_start_at_once_upgrade_once(postgres: PostgresServer) -> None:
    dsn = await postgres.new_database()
    assert (await schema_status(dsn)).verdict == "empty"
    stores = [storage_for(dsn) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.close()
    assert (await schema_status(dsn)).verdict == "current"


async def test_postgresql_newer_schema_is_refused(postgres: PostgresServer) -> None:
    import asyncpg

    dsn = await postgres.new_database()
    await upgrade(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(SchemaError, match="newer version"):
        await storage_for(dsn).open()
