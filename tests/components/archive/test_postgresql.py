"""The real server with its archive in a real PostgreSQL, which goes away and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slixmpp

from components.xmpp_archive.batch import Entry
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.postgresql import PostgresDatabase
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.store import Store
from tests.components.archive.conftest import OWNER, entry
from tests.components.archive.history_client import MAM_PLUGINS
from tests.components.archive.running import ArchiveProcess, connected, pair
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.postgres import PostgresServer


@pytest.fixture
def running(tmp_path: Path, postgres: PostgresServer) -> Iterator[tuple[ServerProcess, ArchiveProcess]]:
    server, archive = pair(tmp_path, archive_url=asyncio.run(postgres.new_database()))
    try:
        with connected(server, archive, "romeo", "juliet"):
            yield server, archive
    finally:
        if postgres.process is None:
            postgres.start()


async def history(client: SlixClient) -> list[str]:
    """All that is in the archive; there may be none for a while."""
    results = [one async for one in client.plugin["xep_0313"].iterate()]
    return [one["mam_result"]["forwarded"]["stanza"]["body"] for one in results]


async def test_the_database_goes_away_and_comes_back(
    running: tuple[ServerProcess, ArchiveProcess], postgres: PostgresServer
) -> None:
    server, archive = running
    romeo, juliet = [await SlixClient(user, plugins=MAM_PLUGINS).online(server.c2s) for user in ("romeo", "juliet")]
    romeo.say("juliet@localhost", "before")
    await juliet.hears_text("before")
    assert await history(romeo) == ["before"]
    await asyncio.to_thread(postgres.stop)
    for number in range(20):
        romeo.say("juliet@localhost", str(number))
    await juliet.hears_text("19")  # the messages themselves do not wait for it
    with pytest.raises(slixmpp.exceptions.IqTimeout):
        await juliet.plugin["xep_0313"].retrieve(timeout=3)
    await asyncio.to_thread(postgres.start)
    begin = time.monotonic()
    assert await history(juliet) == ["before", *map(str, range(20))]
    assert time.monotonic() - begin < 10
    for client in (romeo, juliet):
        await client.offline()
    assert archive.stop() == 0
    assert server.stop() == 0
    assert server.failures() == []
    assert not archive.failed


async def test_two_programs_may_start_at_once(postgres: PostgresServer) -> None:
    url = await postgres.new_database()
    stores = [Store(PostgresDatabase(url, search=True), Prefs("always")) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.write(_batch(number)) for number, store in enumerate(stores)))
    assert len((await stores[0].page(OWNER, Query())).rows) == 4
    for store in stores:
        await store.close()


def _batch(number: int) -> list[Entry]:
    return [entry(number)]


async def test_nobody_is_there(postgres: PostgresServer) -> None:
    store = Store(PostgresDatabase("postgresql://xmpp@127.0.0.1:1/none"), Prefs("always"))
    with pytest.raises(ArchiveError):
        await store.open()
    await store.close()
