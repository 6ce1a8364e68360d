"""What belongs to no account moves with the accounts, from one kind of store to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from tests.app.conftest import CONFIG
from tests.postgres import PostgresServer, postgres
from tests.world import World
from xmpp_server.app import xep0227
from xmpp_server.app.cli import main
from xmpp_server.app.xep0227 import NOT_WHILE_RUNNING, Report
from xmpp_server.app.xep0227_reader import NS_OURS
from xmpp_server.core.administrators import Administrators
from xmpp_server.core.provisioning import SKELETONS
from xmpp_server.jid import JID
from xmpp_server.storage.api import AccountRecord, Storage
from xmpp_server.storage.memory import MemoryStorage
from xmpp_server.storage.urls import storage_for

__all__ = ["postgres"]

HOST, ROOMS = JID.parse("capulet.lit"), JID.parse("rooms.capulet.lit")
CAVE, HALL = JID.parse("cave@rooms.capulet.lit"), JID.parse("hall@rooms.capulet.lit")
JULIET = JID.parse("juliet@capulet.lit")
STAMP = datetime(2026, 7, 10, 23, 8, 25, 123456, tzinfo=UTC)
SERVED = {"capulet.lit", "rooms.capulet.lit"}

Documents = dict[tuple[str, str, str], bytes]


@pytest.fixture
async def old() -> MemoryStorage:
    """An account, a room, and what the host and its rooms keep."""
    store = MemoryStorage()
    await store.accounts.create(AccountRecord(JULIET, True, STAMP, {}))
    await store.documents.put(JULIET, "other", "", b"hers")
    await store.documents.put(HOST, SKELETONS, "juliet", b"juliet")
    await store.documents.put(HOST, "greetings", "motd", b"\x00\xffhello")
    await store.documents.put(ROOMS, "muc-rooms", "cave", b"an entry")
    await store.documents.put(ROOMS, "muc-rooms", "h'<\u2603>", b"")
    await store.documents.put(CAVE, "muc-room", "", bytes(range(256)))
    await store.documents.put(CAVE, "muc-history", "", b"long ago")
    return store


async def documents(store: Storage) -> Documents:
    """All documents of everybody."""
    found: Documents = {}
    after: str | None = None
    while page := await store.documents.owners(after, 3):
        for owner in page:
            for kind in await store.documents.kinds(owner):
                found |= {(owner, kind, key): data for key, data in (await store.documents.all(owner, kind)).items()}
        after = str(page[-1])
    return found


async def moved(old: Storage, new: Storage, path: Path, services: set[str] | None = SERVED) -> Report:
    with xep0227.new_file(path) as file:
        assert await xep0227.export(old, file.write, lambda _: None) == 1
    return await xep0227.Importer(new, ("capulet.lit",), services=services).run(path, lambda _: None)


async def test_everything_comes_back(old: MemoryStorage, tmp_path: Path) -> None:
    new = MemoryStorage()
    report = await moved(old, new, tmp_path / "all.xml")
    assert (report.imported, report.skipped, report.ignored) == (1, [], [])
    assert await documents(new) == await documents(old)


@pytest.mark.parametrize(("known", "expected"), [(False, {JULIET}), (True, set())], ids=["moved", "another"])
async def test_named_administrators_stay_that(tmp_path: Path, known: bool, expected: set[JID]) -> None:
    old, new = World("capulet.lit"), World("capulet.lit")
    await old.storage.accounts.create(AccountRecord(JULIET, True, STAMP, {}))
    named = Administrators(())
    await named.load(old.hosts.values())
    await named.replace([JULIET])
    if known:  # she is somebody else, whose account stays as it is
        await new.storage.accounts.create(AccountRecord(JULIET, True, STAMP.replace(year=2025), {}))
    with xep0227.new_file(tmp_path / "all.xml") as file:
        await xep0227.export(old.storage, file.write, lambda _: None)
    await xep0227.Importer(new.storage, ("capulet.lit",), services=SERVED).run(tmp_path / "all.xml", lambda _: None)
    after = Administrators(())
    await after.load(new.hosts.values())
    assert after.jids == expected


async def test_it_can_be_read_twice(old: MemoryStorage, tmp_path: Path) -> None:
    new = MemoryStorage()
    await moved(old, new, tmp_path / "1.xml")
    await new.documents.put(HOST, "greetings", "motd", b"changed")
    report = await moved(old, new, tmp_path / "2.xml")
    assert report.skipped == [str(JULIET), "greetings motd of capulet.lit", str(CAVE)]
    assert await new.documents.get(HOST, "greetings", "motd") == b"changed"


async def test_a_room_is_never_mixed_with_another_of_its_name(old: MemoryStorage, tmp_path: Path) -> None:
    new = MemoryStorage()
    await new.documents.put(CAVE, "muc-room", "", b"another one")
    report = await moved(old, new, tmp_path / "all.xml")
    assert report.skipped == [str(CAVE)]
    assert await new.documents.kinds(CAVE) == ["muc-room"]  # and not the history of the other


async def test_a_running_server_takes_none(old: MemoryStorage, tmp_path: Path) -> None:
    new = MemoryStorage()
    report = await moved(old, new, tmp_path / "all.xml", None)
    assert (report.imported, report.ignored) == (1, [NOT_WHILE_RUNNING])
    assert {owner for owner, _, _ in await documents(new)} == {JULIET, HOST}
    assert await new.documents.kinds(HOST) == [SKELETONS]


async def test_services_that_are_elsewhere_are_told_and_left_out(old: MemoryStorage, tmp_path: Path) -> None:
    new = MemoryStorage()
    report = await moved(old, new, tmp_path / "all.xml", {"capulet.lit"})
    assert report.ignored == ["documents of rooms.capulet.lit: not served here"]
    assert await new.documents.get(HOST, "greetings", "motd") == b"\x00\xffhello"


@pytest.mark.parametrize("attributes", ["", "owner='@' kind='a' key=''", "owner='capulet.lit' kind='a'"])
async def test_what_cannot_be_used_is_told(tmp_path: Path, attributes: str) -> None:
    path = tmp_path / "in.xml"
    document = f"<document xmlns='{NS_OURS}' {attributes}>aGVsbG8=</document>"
    path.write_text(f"<server-data xmlns='urn:xmpp:pie:0'>{document}</server-data>")
    store = MemoryStorage()
    report = await xep0227.Importer(store, (), services={"capulet.lit"}).run(path, lambda _: None)
    assert [text.startswith("document of ") for text in report.ignored] == [True]
    assert await store.documents.owners() == []


# The way that docs/operator.md tells: from SQLite to PostgreSQL with the command line.

Run = Callable[..., Result]


def program(config: Path) -> Run:
    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, ["--config", str(config), *arguments])
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    return await postgres.new_database()


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Undo what the program says of its log."""
    yield
    structlog.reset_defaults()


def config(folder: Path, storage: str) -> Path:
    folder.mkdir()
    path = folder / "server.toml"
    path.write_text(CONFIG + f'[storage]\nurl = "{storage}"\n[auth]\nregistration = "invite"\n')
    return path


async def contents(url: str) -> Documents:
    store = storage_for(url)
    await store.open()
    try:
        return await documents(store)
    finally:
        await store.close()


def test_a_server_moves_from_sqlite_to_postgresql(tmp_path: Path, url: str) -> None:
    sqlite = f"sqlite:///{tmp_path}/old.db"
    old, new = program(config(tmp_path / "old", sqlite)), program(config(tmp_path / "new", url))
    old("user", "add", "juliet@localhost", "--password", "secret")
    old("user", "federation", "juliet@localhost", "deny")
    old("user", "invite", "nurse@localhost", "--by", "juliet@localhost")
    old("room", "create", "cave@conference.localhost", "--owner", "juliet@localhost", "--name", "Dark Cave")
    shown = json.loads(old("room", "show", "cave@conference.localhost", "--json").output)
    invitations = old("user", "invitations", "--json").output
    file = str(tmp_path / "all.xml")
    old("export", file)
    assert new("import", file).output == f"imported 1 accounts from {file}\n"
    kept = asyncio.run(contents(sqlite))
    assert {owner for owner, _, _ in kept} == {"localhost", "conference.localhost", "cave@conference.localhost"}
    assert asyncio.run(contents(url)) == kept
    assert json.loads(new("room", "show", "cave@conference.localhost", "--json").output) == shown
    assert new("user", "invitations", "--json").output == invitations
    assert "nurse" in invitations
    assert json.loads(new("user", "list", "--json").output)[0]["federation"] is False
