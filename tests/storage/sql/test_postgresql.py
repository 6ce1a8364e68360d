"""Faults of PostgreSQL: locks, bad rows, a server that goes away and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.storage.values import CREATED, JULIET, ROMEO, account, message
from xmpp_server.storage.api import Durability, OfflineMessage, RosterItem, StorageBusyError, StorageError
from xmpp_server.storage.sql.postgresql import PostgresDriver
from xmpp_server.storage.sql.store import SqlStorage
from xmpp_server.storage.urls import storage_for

if TYPE_CHECKING:
    from tests.storage.conftest import PostgresServer


@pytest.fixture
async def dsn(postgres: PostgresServer) -> str:
    return await postgres.new_database()


def make(dsn: str, reconnect_s: float = 5.0, durability: Durability = Durability.PROCESS) -> SqlStorage:
    return SqlStorage(PostgresDriver(dsn, durability, lock_timeout_s=0.1, reconnect_s=reconnect_s), durability)


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[SqlStorage]:
    made = make(dsn)
    await made.open()
    await made.accounts.create(account())
    yield made
    await made.close()


async def test_locked_table_makes_writes_busy_and_reads_go_on(store: SqlStorage, dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute("LOCK TABLE offline IN EXCLUSIVE MODE")
        commit = store.offline.append(JULIET, message(1))
        assert await store.accounts.get(ROMEO) == account()
        with pytest.raises(StorageBusyError):
            await commit
    await other.close()
    await store.offline.append(JULIET, message(2))
    assert await store.offline.load(JULIET) == [message(2)]


async def test_bad_row_fails_alone(store: SqlStorage) -> None:
    good = [store.offline.append(ROMEO, message(number)) for number in range(5)]
    bad = [
        store.offline.append(ROMEO, OfflineMessage("nul \x00", CREATED, b"")),
        store.offline.append(ROMEO, OfflineMessage("surrogate \ud800", CREATED, b"")),
        store.rosters.put(ROMEO, RosterItem(JULIET, name="nul \x00")),
    ]
    good.append(store.offline.append(ROMEO, message(5)))
    for commit in bad:
        with pytest.raises(StorageError):
            await commit
    for commit in good:
        await commit
    assert await store.offline.load(ROMEO) == [message(number) for number in range(6)]
    assert (await store.rosters.load(ROMEO)).items == []


async def test_writes_wait_for_a_server_that_crashed_and_lose_nothing(dsn: str, postgres: PostgresServer) -> None:
    store = make(dsn, durability=Durability.FULL)
    await store.open()
    await asyncio.gather(*(store.offline.append(ROMEO, message(number)) for number in range(100)))
    postgres.stop()
    commits = [store.offline.append(ROMEO, message(number)) for number in range(100, 300)]
    await asyncio.to_thread(postgres.start)
    await asyncio.gather(*commits)
    assert await store.offline.load(ROMEO) == [message(number) for number in range(300)]
    await store.close()


async def test_lost_server_fails_reads_and_writes_until_it_is_back(dsn: str, postgres: PostgresServer) -> None:
    store = make(dsn, reconnect_s=0.1)
    await store.open()
    postgres.stop()
    try:
        with pytest.raises(StorageError):
            await store.offline.append(ROMEO, message(1))
        with pytest.raises(StorageError):
            await store.offline.count(ROMEO)
    finally:
        await asyncio.to_thread(postgres.start)
    await store.offline.append(ROMEO, message(2))
    assert await store.offline.load(ROMEO) == [message(2)]
    await store.close()


async def test_absent_server_is_told_at_the_start() -> None:
    with pytest.raises(StorageError, match="PostgreSQL"):
        await storage_for("postgresql://xmpp@127.0.0.1:1/none").open()


async def test_two_servers_create_an_account_once(dsn: str) -> None:
    stores = [make(dsn), make(dsn)]
    for store in stores:
        await store.open()
    created = await asyncio.gather(*(store.accounts.create(account()) for store in stores))
    assert sorted(created) == [False, True]
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    ("durability", "setting"), [(Durability.FULL, "on"), (Durability.PROCESS, "local"), (Durability.RELAXED, "off")]
)
async def test_durability_is_synchronous_commit(dsn: str, durability: Durability, setting: str) -> None:
    store = make(dsn, durability=durability)
    await store.open()
    await store.accounts.create(account())
    other = await asyncpg.connect(dsn)
    await other.execute("CREATE TABLE seen (setting text)")
    # The writer's own session tells: a trigger notes its setting.
    await other.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$"
    )
    await other.execute("CREATE TRIGGER note BEFORE INSERT ON offline FOR EACH ROW EXECUTE FUNCTION note()")
    await store.offline.append(ROMEO, message(1))
    assert await other.fetchval("SELECT setting FROM seen") == setting
    await other.close()
    await store.close()
