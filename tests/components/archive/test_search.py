"""XEP-0431: words are found in bodies of one archive, whatever is typed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from components.xmpp_archive.batch import Entry, Erasure
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.search import Fts5, body_of, words_of
from components.xmpp_archive.settings import Keep
from components.xmpp_archive.store import Store
from components.xmpp_component.errors import RequestError
from tests.components.archive.conftest import KINDS, OWNER, START_MS, database_of, entry

OTHER = "mercutio@example.org"
SAID = ("A plague o' both your houses", "Wherefore art thou Romeo", "É l'allodola & non l'usignolo", "romeo, ROMEO!")


def saying(number: int, text: str, owner: str = OWNER) -> Entry:
    stanza = f"<message xmlns='jabber:client' type='chat'><body>{escape(text)}</body></message>"
    return replace(entry(number, owner), stanza=stanza)


@pytest.fixture(params=KINDS)
async def searched(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(await database_of(request.param, request, tmp_path, search=True), Prefs("always"))
    await store.open()
    await store.write([saying(number, text) for number, text in enumerate(SAID)])
    await store.write([saying(0, SAID[0]), saying(9, "Romeo", OTHER)])  # one again, one of another
    yield store
    await store.close()


async def found(store: Store, text: str, owner: str = OWNER) -> list[int]:
    page = await store.page(owner, Query(text=text))
    assert page.count == len(page.rows)
    return [int(row.id[12:], 16) for row in page.rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("romeo", [1, 3]),
        ("Romeo wherefore", [1]),
        ("plague", [0]),
        ("e allodola", [2]),
        ("amp", []),
        ("chat", []),
        ("romeo OR plague", []),
        ('"romeo', [1, 3]),
        ("owner:o2", []),
        ("rom*", []),
        ("both-your", [0]),
    ],
)
async def test_words(searched: Store, text: str, expected: list[int]) -> None:
    assert await found(searched, text) == expected


@pytest.mark.parametrize("text", [" ", "!?", '* - "', "a " * 21])
async def test_no_words(searched: Store, text: str) -> None:
    with pytest.raises(RequestError, match="bad-request"):
        await found(searched, text)


async def test_what_is_gone_is_not_found(searched: Store) -> None:
    assert await searched.purge(Keep(user_messages=1), START_MS) == 3
    assert await found(searched, "romeo") == [3]
    assert await found(searched, "plague") == []
    await searched.write([Erasure(OWNER)])
    assert await found(searched, "romeo", OTHER) == [9]
    await searched.write([saying(5, "again")])
    assert await found(searched, "romeo") == []
    assert await found(searched, "again") == [5]


async def test_no_body_holds_up_the_others(searched: Store) -> None:
    """Words that grow when they are normalized: more than a row can hold; accents that take time to be put in order."""
    grown = " ".join(f"{number:04x}" + "\u3316" * 16 for number in range(5000))
    accents = "a" + "\u0301\u0316" * 60_000
    began = time.process_time()
    assert await searched.write([saying(20, grown), saying(21, accents), saying(22, "afterwards")]) == 3
    assert time.process_time() - began < 5
    assert await found(searched, "afterwards") == [22]
    assert await found(searched, "0000" + "\u3316" * 16) == [20]


def test_secrets_have_no_text() -> None:
    stanza = "<message xmlns='jabber:client'><encrypted xmlns='a'/><body>look elsewhere</body></message>"
    assert body_of(stanza) == ""


def test_a_body_is_found_in_time_that_grows_with_the_stanza() -> None:
    for begin in ("<body ", "<body a", "<body"):  # in CDATA these are text
        text = f"<![CDATA[{begin * 20_000}]]>"
        began = time.process_time()
        assert body_of(f"<message xmlns='jabber:client'><x>{text}</x><body>hi</body></message>") == "hi"
        assert time.process_time() - began < 1


@given(st.text(max_size=40))
def test_nothing_typed_is_an_operator(text: str) -> None:
    try:
        asked = Fts5().expression(1, words_of(text.replace("\0", "")))
    except RequestError:
        return
    engine = create_engine("sqlite://")
    with engine.connect() as database:
        Fts5().create(database)
        database.exec_driver_sql("SELECT id FROM texts WHERE texts MATCH ?", (asked,)).all()
    engine.dispose()
