"""What is handed over: the short way for plain messages tells the same as the long one; damage stays outside."""

from __future__ import annotations

from unittest import mock
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_archive import batch
from components.xmpp_archive.batch import Entry, Erasure, Item, first_id, items, stamp_ms
from components.xmpp_archive.namespaces import ARCHIVE
from components.xmpp_archive.settings import Rules
from tests.components.archive.conftest import OTHER, OWNER, ident

STANZA_ID = "<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"


def store(*entries: str) -> ET.Element:
    return ET.fromstring(f"<store xmlns='{ARCHIVE}'>{''.join(entries)}</store>")


def entry(stanza: str, more: str = "", number: str = ident(1)) -> str:
    return f"<entry id='{number}' owner='{OWNER}' with='{OTHER}' {more}>{escape(stanza)}</entry>"


def read(*entries: str) -> tuple[list[Item], list[str]]:
    refused: list[str] = []
    return list(items(store(*entries), Rules(), refused)), refused


def message(inside: str, kind: str = "chat") -> str:
    return f"<message xmlns='jabber:client' from='a@b/c' type='{kind}'>{inside}</message>"


def test_entries_and_erasures() -> None:
    stanza = message("<body>a</body>")
    found, refused = read(entry(stanza, "roster='true'"), f"<erase owner='{OWNER}'/>", "<unknown/>")
    assert found == [Entry(ident(1), OWNER, OTHER, stanza, in_roster=True), Erasure(OWNER)]
    assert refused == []


@pytest.mark.parametrize(
    "bad",
    [
        entry("<message xmlns='jabber:client'>"),
        entry("<presence xmlns='jabber:client'/>"),
        entry("<message><body>no namespace</body></message>"),
        entry(""),
        entry(message(f"<body>{'é' * 200_000}</body>")),
        entry(message("<body>a</body>"), number="yesterday"),
        entry(message("<body>a</body>"), number="0" * 256),
        f"<entry id='{ident(1)}' owner='{OWNER}'>{escape(message('<body>a</body>'))}</entry>",
    ],
)
def test_damage_is_told_and_left_out(bad: str) -> None:
    good = entry(message("<body>good</body>"), number=ident(2))
    found, refused = read(bad, good)
    assert [one.id for one in found if isinstance(one, Entry)] == [ident(2)]
    assert len(refused) == 1


def test_forged_ids_are_taken_out() -> None:
    own = STANZA_ID.format(by=OWNER, id=ident(1))
    forged = STANZA_ID.format(by=OWNER, id="forged")
    others = STANZA_ID.format(by="room@example.org", id="7")
    (found,), _ = read(entry(message(f"<body>a</body>{forged}{others}{own}")))
    assert isinstance(found, Entry)
    assert "forged" not in found.stanza
    assert "room@example.org" in found.stanza
    assert ident(1) in found.stanza
    ET.fromstring(found.stanza)


PARTS = st.sampled_from(
    [
        "<body>text</body>",
        "<body xml:lang='de'>text</body>",
        "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        "<no-store xmlns='urn:xmpp:hints'/>",
        '<store xmlns="urn:xmpp:hints"/>',
        "<sent xmlns='urn:xmpp:carbons:2'/>",
        STANZA_ID.format(by=OWNER, id=ident(1)),
        STANZA_ID.format(by=OWNER, id="other"),
        STANZA_ID.format(by="x@y", id="other"),
        "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
    ]
)


@given(
    st.lists(PARTS, max_size=4),
    st.sampled_from(["chat", "groupchat", "headline", "error", "normal"]),
    st.booleans(),
)
def test_the_short_way_tells_the_same(parts: list[str], kind: str, room: bool) -> None:
    given_ = entry(message("".join(parts), kind), "room='true'" if room else "")
    short, _ = read(given_)
    with mock.patch.object(batch, "_is_plain", return_value=False):
        long, _ = read(given_)
    assert short == long


@given(st.integers(0, 2**48 - 2))
def test_times_of_ids(milliseconds: int) -> None:
    assert stamp_ms(first_id(milliseconds) + "7") == milliseconds
    assert first_id(milliseconds) <= first_id(milliseconds) + "7" < first_id(milliseconds + 1)
