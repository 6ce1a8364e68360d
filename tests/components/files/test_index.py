"""The index: quotas hold under parallel requests, counts follow what is removed."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from components.xmpp_files.index import File, Index
from components.xmpp_files.intake import LONGEST_S
from components.xmpp_files.purge import Purge
from components.xmpp_files.quota import HOUR_S, Hour, Limits, Refusal, Usage
from components.xmpp_files.storage import StorageError
from tests.components.files.conftest import FREE

NOW = 1_700_000_000
HOUR = NOW // HOUR_S
FILE = File("f" * 24, "romeo@a.test", "a.test", "x.jpg", 100, "image/jpeg", "message", NOW, NOW + 1000, NOW + 300)


@pytest.fixture
async def index(tmp_path):
    index = Index(tmp_path / "index.db")
    await index.open()
    yield index
    await index.close()


async def test_a_row_is_kept_as_it_is(index):
    assert await index.reserve(FILE, FREE) is None
    assert await index.get(FILE.id) == FILE
    assert await index.owned(FILE.owner) == [FILE]
    assert await index.get("nothing") is None


async def test_what_is_reserved_counts_and_what_is_removed_counts_for_the_day_only(index):
    await index.reserve(FILE, FREE)
    assert await index.usage("romeo@a.test", "a.test", NOW) == Usage(100, 100, [Hour(HOUR, 100, 1)])
    await index.remove(FILE.id)
    assert await index.usage("romeo@a.test", "a.test", NOW) == Usage(0, 0, [Hour(HOUR, 100, 1)])


async def test_an_unused_slot_is_given_back_once(index):
    await index.reserve(FILE, FREE)
    await index.give_back(FILE)
    await index.give_back(FILE)
    assert await index.usage("romeo@a.test", "a.test", NOW) == Usage(0, 0, [Hour(HOUR, 0, 1)])


async def test_a_host_of_its_own_is_not_counted_twice(index):
    await index.reserve(replace(FILE, owner="a.test"), FREE)
    assert (await index.usage("a.test", "a.test", NOW)).user_bytes == 100


async def test_parallel_requests_do_not_pass_the_quota(index):
    files = [replace(FILE, id=f"{number:024}") for number in range(20)]
    answers = await asyncio.gather(*(index.reserve(file, Limits(1000, 0, 0, 0)) for file in files))
    assert sum(answer is None for answer in answers) == 10
    assert all(isinstance(answer, Refusal) for answer in answers if answer is not None)
    assert (await index.usage("romeo@a.test", "a.test", NOW)).user_bytes == 1000


async def test_the_index_outlives_the_program(index, tmp_path):
    await index.reserve(FILE, FREE)
    other = Index(tmp_path / "index.db")
    await other.open()
    assert await other.get(FILE.id) == FILE
    await other.close()


async def test_a_newer_schema_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "new.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    index = Index(tmp_path / "new.db")
    with pytest.raises(StorageError, match="99"):
        await index.open()
    await index.close()


async def test_the_purge_removes_expired_files(server):
    url = await server.stored(b"short lived")
    kept = await server.stored(b"kept")
    file_id = url.split("/")[3]
    await server.index._write("UPDATE files SET expires = ? WHERE id = ?", NOW, file_id)
    purge = Purge(server.index, server.storage)
    assert await purge.once(NOW - 1) == 0
    assert await purge.once(NOW) == 1
    assert len(server.files()) == 1
    assert await server.index.get(file_id) is None
    async with server.client.get(kept) as answer:
        assert answer.status == 200


async def test_the_purge_settles_slots_after_their_end(server):
    put, _, stored = await server.slot(3)
    assert await server.put(put, b"abc", **{"Content-Type": "image/jpeg"}) == 201
    await server.index._write("UPDATE files SET slot_until = 1 WHERE id = ?", stored.id)  # as if the note was lost
    _, _, unused = await server.slot(7)
    purge = Purge(server.index, server.storage)
    assert await purge.once(unused.slot_until + LONGEST_S) == 0
    assert await purge.once(unused.slot_until + LONGEST_S + 601) == 1
    assert await server.index.get(unused.id) is None
    assert (await server.index.get(stored.id)).slot_until is None
    assert (await server.index.usage(stored.owner, stored.host, stored.created)).user_bytes == 3


async def test_the_bytes_of_all_are_known(server):
    assert await server.index.total_bytes() == 0
    await server.slot(7)
    await server.stored(b"abc")
    assert await server.index.total_bytes() == 10
