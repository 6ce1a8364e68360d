"""The archive on disk: entries once, pages, preferences, retention, erasure, speed."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from components.xmpp_archive.batch import Erasure, reference
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.settings import Keep, Limit
from components.xmpp_archive.sqlite import SqliteDatabase
from components.xmpp_archive.store import Page, Store
from components.xmpp_component.errors import RequestError
from tests.components.archive.conftest import OTHER, OWNER, START_MS, entry, ident


def numbers(page: Page, backwards: bool = False) -> list[int]:
    found = [int(row.id[12:], 16) for row in page.rows]
    return found[::-1] if backwards else found


async def test_an_entry_is_there_once(store: Store) -> None:
    batch = [entry(1), entry(2)]
    assert await store.write(batch) == 2
    await store.write([*batch, entry(3)])
    page = await store.page(OWNER, Query())
    assert numbers(page) == [1, 2, 3]
    assert page.complete
    assert page.count == 3


async def test_pages(store: Store) -> None:
    await store.write([entry(number) for number in range(10)])
    first = await store.page(OWNER, Query(most=4))
    assert (numbers(first), first.complete, first.count) == ([0, 1, 2, 3], False, 10)
    rest = await store.page(OWNER, Query(most=6, after=ident(3)))
    assert (numbers(rest), rest.complete) == ([4, 5, 6, 7, 8, 9], True)
    last = await store.page(OWNER, Query(most=3, before=""))
    assert (numbers(last, backwards=True), last.complete) == ([7, 8, 9], False)
    earlier = await store.page(OWNER, Query(most=3, before=ident(2)))
    assert (numbers(earlier, backwards=True), earlier.complete) == ([0, 1], True)
    assert (await store.page(OWNER, Query(most=0))).count == 10


async def test_filters(store: Store) -> None:
    tybalt = "tybalt@example.org/street"
    await store.write([entry(number, contact=OTHER if number % 2 else tybalt) for number in range(10)])
    await store.write([entry(10, groupchat=True), entry(11, owner="mercutio@example.org")])
    bare = OTHER.partition("/")[0]
    for query, expected in (
        (Query(contact=bare), [1, 3, 5, 7, 9, 10]),
        (Query(contact=OTHER, groupchat=False), [1, 3, 5, 7, 9]),
        (Query(contact=f"{bare}/other"), []),
        (Query(start_ms=START_MS + 7001), [8, 9, 10]),
        (Query(end_ms=START_MS + 2000), [0, 1, 2]),
        (Query(start_ms=START_MS + 3000, end_ms=START_MS + 2000), []),
        (Query(start_ms=START_MS + 99_000_000), []),
        (Query(end_ms=START_MS - 1), []),
        (Query(after_id=ident(2), before_id=ident(5)), [3, 4]),
        (Query(ids=(ident(4), ident(2))), [2, 4]),
    ):
        assert numbers(await store.page(OWNER, query)) == expected, query


@pytest.mark.parametrize("name", ["after", "before", "after_id", "before_id"])
@pytest.mark.parametrize("owner", [OWNER, "nobody@example.org"])
async def test_unknown_ids(store: Store, name: str, owner: str) -> None:
    await store.write([entry(1), entry(2, owner="mercutio@example.org")])
    for bad in (ident(2), "' OR 1=1 --"):  # another's, and nobody's
        with pytest.raises(RequestError, match="item-not-found"):
            await store.page(owner, replace(Query(), **{name: bad}))  # type: ignore[arg-type]  # the field varies
    with pytest.raises(RequestError, match="item-not-found"):
        await store.page(owner, Query(ids=(ident(1), ident(2))))


async def test_preferences(store: Store) -> None:
    assert await store.prefs(OWNER) == Prefs("always")
    await store.write([entry(1)])
    await store.set_prefs(OWNER, Prefs("roster", always=("nurse@example.org",), never=(OTHER,)))
    await store.write(
        [
            entry(2, in_roster=True),  # never, from this resource
            entry(3, contact="juliet@example.org/tomb", in_roster=True),
            entry(4, contact="nurse@example.org/house"),
            entry(5, contact="paris@example.org/house"),
            entry(6, owner="mercutio@example.org"),
        ]
    )
    assert numbers(await store.page(OWNER, Query())) == [1, 3, 4]
    assert numbers(await store.page("mercutio@example.org", Query())) == [6]
    assert (await store.prefs(OWNER)).never == (OTHER,)


async def test_erasure_comes_in_its_turn(store: Store) -> None:
    await store.write([entry(1), Erasure(OWNER), entry(2)])
    assert numbers(await store.page(OWNER, Query())) == [2]
    await store.set_prefs(OWNER, Prefs("never"))
    await store.write([Erasure(OWNER)])
    assert await store.bounds(OWNER) is None
    assert await store.prefs(OWNER) == Prefs("always")


async def test_retention(store: Store) -> None:
    await store.write([entry(number) for number in range(10)])
    await store.write([entry(number, owner="coven@chat.example.org", room=True) for number in range(10)])
    day = 86_400_000
    assert await store.purge(Keep(user_days=1), START_MS + day + 4000) == 4
    assert numbers(await store.page(OWNER, Query())) == [4, 5, 6, 7, 8, 9]
    assert await store.purge(Keep(room_messages=3, user_messages=6), START_MS) == 7
    assert numbers(await store.page("coven@chat.example.org", Query())) == [7, 8, 9]


async def test_retention_of_one_archive_and_of_one_domain(store: Store) -> None:
    for owner in (OWNER, "juliet@example.org", "nurse@example.net"):
        await store.write([entry(number, owner=owner) for number in range(10)])
    only = {"example.org": Limit(messages=5), "juliet@example.org": Limit(), "nurse@example.net": Limit(days=1)}
    assert await store.purge(Keep(user_messages=1, only=only), START_MS + 86_400_000 + 3000) == 5 + 0 + 3
    assert numbers(await store.page(OWNER, Query())) == [5, 6, 7, 8, 9]


async def test_retention_of_a_domain_as_a_whole(store: Store) -> None:
    """The oldest go first, whosever they are, counted by about a minute."""
    step = 70
    for owner, first in ((OWNER, 0), ("juliet@example.org", 5), ("nurse@example.net", 0)):
        await store.write([entry(step * number, owner=owner) for number in range(first, first + 10)])
    assert await store.purge(Keep(domain_messages=12), START_MS) == 9  # two of them from one minute
    assert numbers(await store.page(OWNER, Query())) == [step * number for number in range(7, 10)]
    assert numbers(await store.page("juliet@example.org", Query())) == [step * number for number in range(7, 15)]
    assert len((await store.page("nurse@example.net", Query())).rows) == 10
    assert await store.purge(Keep(domain_messages=12), START_MS) == 0


async def test_a_question_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index helps to find nothing; others must not wait for it."""
    store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
    await store.open()
    await store.write([entry(number, groupchat=True) for number in range(20_000)])
    monkeypatch.setattr("components.xmpp_archive.sqlite._READ_S", 0.0)
    with pytest.raises(ArchiveError, match="interrupted"):
        await store.page(OWNER, Query(groupchat=False))
    monkeypatch.undo()
    assert (await store.page(OWNER, Query(groupchat=False))).rows == []
    await store.close()


async def test_reopened(tmp_path: Path) -> None:
    for number in range(3):
        store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
        await store.open()
        await store.write([entry(number)])
        assert len((await store.page(OWNER, Query())).rows) == number + 1
        await store.close()


async def test_a_file_of_version_1_learns_by_which_ids_others_speak_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    stanza = "<message xmlns='jabber:client' id='m{}' type='chat'><body>a</body></message>"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE owners (number INTEGER NOT NULL PRIMARY KEY, jid VARCHAR(3071) NOT NULL UNIQUE,
                room BOOLEAN NOT NULL, prefs TEXT);
            CREATE TABLE entries (owner INTEGER NOT NULL REFERENCES owners (number), id VARCHAR(255) NOT NULL,
                contact VARCHAR(2047) NOT NULL, resource VARCHAR(1023) NOT NULL, groupchat BOOLEAN NOT NULL,
                stanza TEXT NOT NULL, PRIMARY KEY (owner, id)) WITHOUT ROWID;
            CREATE INDEX entries_by_contact ON entries (owner, contact, id);
            PRAGMA user_version=1;
            """
        )
        database.executemany("INSERT INTO owners VALUES (?, ?, ?, NULL)", [(1, OWNER, False), (2, "a room", True)])
        rows = [(owner, ident(n), "a@b", "", owner == 2, stanza.format(n)) for owner in (1, 2) for n in range(3)]
        database.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.close()
    store = Store(SqliteDatabase(path), Prefs("always"))
    await store.open()
    assert numbers(await store.page(OWNER, Query())) == [0, 1, 2]
    await store.write([entry(3)])
    await store.close()
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT owner, reference FROM entries ORDER BY owner, id").fetchall()
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    database.close()
    assert found == [*((1, reference(f"m{n}")) for n in range(3)), (1, None), *((2, None) for _ in range(3))]
    assert "entries_1" not in tables
    assert "entries_by_contact" in tables


async def test_newer_schema(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "archive.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
    with pytest.raises(ArchiveError, match="newer"):
        await store.open()
    await store.close()


async def test_a_failed_batch_leaves_nothing(store: Store) -> None:
    broken = replace(entry(2), stanza=None)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ArchiveError):
        await store.write([entry(1, owner="new@example.org"), broken])
    await store.write([entry(1, owner="new@example.org")])
    assert numbers(await store.page("new@example.org", Query())) == [1]


async def test_the_last_of_many(store: Store) -> None:
    """The time of a page does not grow with the archive; 60,000 entries here."""
    await store.write([entry(number) for number in range(60_000)])
    for query in (
        Query(before=""),
        Query(before="", contact=OTHER),
        Query(before="", contact=OTHER.partition("/")[0]),
        Query(start_ms=START_MS + 59_000_000),
        Query(end_ms=START_MS + 1_000_000, before=""),
        Query(before="", contact="nurse@example.org"),
    ):
        await store.page(OWNER, query)
        begin = time.perf_counter()
        assert len((await store.page(OWNER, query)).rows) == (0 if query.contact == "nurse@example.org" else 50)
        assert time.perf_counter() - begin < 0.1, query


QUERIES = (
    Query(before=""),
    Query(after=ident(5)),
    Query(before="", contact=OTHER),
    Query(before="", contact=OTHER.partition("/")[0]),
    Query(start_ms=START_MS + 5000, end_ms=START_MS + 9000),
    Query(ids=(ident(1), ident(2))),
    Query(before="", groupchat=False),
)


@pytest.mark.parametrize("query", QUERIES)
async def test_every_page_walks_along_an_index(tmp_path: Path, query: Query) -> None:
    """SQLite's plan: no table is read from its beginning, and nothing is sorted but a few named ids."""
    store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
    await store.open()
    await store.write([entry(number) for number in range(20)])
    asked: list[tuple[str, Sequence[object]]] = []

    def note(_: object, __: object, statement: str, parameters: Sequence[object], *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await store.page(OWNER, query)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    await store.close()
    with sqlite3.connect(tmp_path / "archive.db") as database:
        for statement, parameters in asked:
            for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                assert not re.match(r"SCAN (?!\(subquery|anon)", step), (statement, step)
                assert "TEMP B-TREE" not in step, (statement, step)
    database.close()
    assert len(asked) >= 3
