from __future__ import annotations

import sqlite3

import pytest

from xmpp_server.app.database import schema_status
from xmpp_server.storage.api import StorageError
from xmpp_server.storage.urls import storage_for


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/x.db"


async def test_an_empty_place(url, tmp_path):
    found = await schema_status(url)
    assert (found.current, found.state) == (None, "to be upgraded")
    assert list(tmp_path.iterdir()) == []  # nothing was made by looking


async def test_an_upgraded_database_and_a_newer_one(url, tmp_path):
    store = storage_for(url)
    await store.open()
    await store.close()
    found = await schema_status(url)
    assert (found.current, found.state) == (found.newest, "up to date")
    connection = sqlite3.connect(tmp_path / "x.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert (await schema_status(url)).state == "newer than this server"


async def test_what_is_no_database(url, tmp_path):
    (tmp_path / "x.db").write_text("nonsense" * 1000)
    with pytest.raises(StorageError, match="not a database"):
        await schema_status(url)


async def test_memory():
    assert (await schema_status("memory:")).state == "up to date"
