"""XEP-0424, XEP-0425: what is retracted by who may is gone, and a tombstone stands in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest

from components.xmpp_archive.batch import Item, items, reference, reference_of
from components.xmpp_archive.namespaces import ARCHIVE, MODERATE, OCCUPANT_ID, RETRACT, SID
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.settings import Rules
from components.xmpp_archive.sqlite import SqliteDatabase
from components.xmpp_archive.store import Store
from tests.components.archive.conftest import KINDS, database_of, ident

ROMEO, JULIET, ROOM = "romeo@example.org", "juliet@example.org", "coven@chat.example.org"
SECRET = "wherefore"


def stanza(sender: str, inside: str, name: str = "m1", kind: str = "chat") -> str:
    return f"<message xmlns='jabber:client' from='{sender}' id='{name}' type='{kind}'>{inside}</message>"


def said(sender: str, name: str = "m1") -> str:
    return stanza(sender, f"<body>{SECRET}</body>", name)


def retracts(sender: str, target: str = "m1", inside: str = "") -> str:
    """Return a retraction, with the text for clients that do not know it."""
    return stanza(sender, f"<retract xmlns='{RETRACT}' id='{target}'>{inside}</retract><body>gone</body>", "r1")


def in_room(nick: str, occupant: str, inside: str, number: int) -> str:
    more = f"<occupant-id xmlns='{OCCUPANT_ID}' id='{occupant}'/>"
    more += f"<stanza-id xmlns='{SID}' by='{ROOM}' id='{ident(number)}'/>"
    return stanza(f"{ROOM}/{nick}", inside + more, f"c{number}", "groupchat")


def moderated(sender: str, target: str) -> str:
    by = f"<moderated xmlns='{MODERATE}' by='{ROOM}/hag'><occupant-id xmlns='{OCCUPANT_ID}' id='hag'/></moderated>"
    inside = f"<retract xmlns='{RETRACT}' id='{target}'>{by}<reason>rude</reason></retract>"
    return stanza(sender, inside, "r1", "groupchat")


def batch(owner: str, contact: str, *stanzas: str, first: int = 1, room: bool = False) -> list[Item]:
    """Return entries as the server hands them over."""
    more = " room='true'" if room else ""
    entries = (
        f"<entry id='{ident(number)}' owner='{owner}' with='{contact}'{more}>{escape(one)}</entry>"
        for number, one in enumerate(stanzas, first)
    )
    refused: list[str] = []
    handed_over = ET.fromstring(f"<store xmlns='{ARCHIVE}'>{''.join(entries)}</store>")
    found = list(items(handed_over, Rules(), refused))
    assert refused == []
    return found


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(await database_of(request.param, request, tmp_path, search=True), Prefs("always"))
    await store.open()
    yield store
    await store.close()


async def kept(store: Store, owner: str) -> list[ET.Element]:
    return [ET.fromstring(row.stanza) for row in (await store.page(owner, Query())).rows]


def is_tombstone(message: ET.Element) -> bool:
    return message.find(f"{{{RETRACT}}}retracted") is not None


async def tombstones(store: Store, owner: str) -> list[bool]:
    return [is_tombstone(message) for message in await kept(store, owner)]


async def test_who_has_said_it_takes_it_back(store: Store) -> None:
    await store.write(batch(ROMEO, JULIET, said(f"{ROMEO}/orchard"), said(f"{ROMEO}/orchard", "m2")))
    await store.write(batch(ROMEO, JULIET, retracts(f"{ROMEO}/phone"), first=3))
    first, second, retraction = await kept(store, ROMEO)
    retracted = first.find(f"{{{RETRACT}}}retracted")
    assert retracted is not None
    assert retracted.attrib == {"id": "r1", "stamp": "2024-01-01T00:00:03.000Z"}
    assert [child.tag for child in first] == [retracted.tag]
    assert (first.get("from"), first.get("id"), first.get("type")) == (f"{ROMEO}/orchard", "m1", "chat")
    assert second.findtext("{jabber:client}body") == SECRET
    assert retraction.find(f"{{{RETRACT}}}retract") is not None  # who catches up hears of it (§5)
    assert len((await store.page(ROMEO, Query(text=SECRET))).rows) == 1


async def test_a_message_that_came(store: Store) -> None:
    await store.write(batch(JULIET, f"{ROMEO}/orchard", said(f"{ROMEO}/orchard"), retracts(f"{ROMEO}/phone")))
    assert await tombstones(store, JULIET) == [True, False]


@pytest.mark.parametrize(
    ("contact", "retraction"),
    [
        (JULIET, retracts(f"{JULIET}/balcony")),  # said by romeo
        (JULIET, retracts(f"{ROMEO}/orchard", "m2")),
        (JULIET, stanza(f"{ROMEO}/orchard", f"<retract xmlns='{RETRACT}'/><body>a</body>")),
        (JULIET, stanza(f"{ROMEO}/orchard", f"<retract xmlns='{RETRACT}:0' id='m1'/><body>a</body>")),
        ("nurse@example.org", retracts(f"{ROMEO}/orchard")),
        (JULIET, retracts(f"{ROMEO}/orchard", "&apos; OR 1=1 --")),
    ],
)
async def test_nobody_else_and_nothing_else(store: Store, contact: str, retraction: str) -> None:
    await store.write(batch(ROMEO, JULIET, said(f"{ROMEO}/orchard")))
    await store.write(batch(ROMEO, contact, retraction, first=2))
    assert await tombstones(store, ROMEO) == [False, False]
    assert len((await store.page(ROMEO, Query(text=SECRET))).rows) == 1


async def test_both_have_used_the_id(store: Store) -> None:
    await store.write(batch(ROMEO, JULIET, said(f"{ROMEO}/orchard"), said(f"{JULIET}/balcony")))
    await store.write(batch(ROMEO, JULIET, retracts(f"{JULIET}/balcony"), first=3))
    assert await tombstones(store, ROMEO) == [False, True, False]


async def test_what_is_handed_over_again_does_not_come_back(store: Store) -> None:
    whole = batch(ROMEO, JULIET, said(f"{ROMEO}/orchard"), retracts(f"{ROMEO}/orchard"))
    for _ in range(2):
        await store.write(whole)
    first, _ = await kept(store, ROMEO)
    assert is_tombstone(first)
    assert len(first) == 1


async def test_never_archived_any_more_but_still_taken_back(store: Store) -> None:
    await store.write(batch(ROMEO, JULIET, said(f"{ROMEO}/orchard")))
    await store.set_prefs(ROMEO, Prefs("never"))
    await store.write(batch(ROMEO, JULIET, retracts(f"{ROMEO}/orchard"), first=2))
    assert await tombstones(store, ROMEO) == [True]


async def test_a_room_knows_people_by_more_than_their_nicknames(store: Store) -> None:
    def taking_back(number: int) -> str:
        return f"<retract xmlns='{RETRACT}' id='{ident(number)}'/>"

    await store.write(
        batch(
            ROOM,
            f"{ROOM}/hag",
            in_room("hag", "1", f"<body>{SECRET}</body>", 1),
            in_room("hag", "2", taking_back(1), 2),  # another with the same nickname
            in_room("other", "1", "<body>b</body>", 3),
            room=True,
        )
    )
    assert await tombstones(store, ROOM) == [False, False, False]
    await store.write(batch(ROOM, f"{ROOM}/renamed", in_room("renamed", "1", taking_back(1), 4), first=4, room=True))
    assert await tombstones(store, ROOM) == [True, False, False, False]
    tombstone = (await kept(store, ROOM))[0]
    assert [child.tag.partition("}")[2] for child in tombstone] == ["occupant-id", "stanza-id", "retracted"]


async def test_private_messages_of_occupants(store: Store) -> None:
    """Behind one room are many, and nicknames change hands (XEP-0045 §7.5)."""
    private = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
    occupant = f"<occupant-id xmlns='{OCCUPANT_ID}' id='{{}}'/>"

    def retracting(nick: str, more: str) -> str:
        return stanza(f"{ROOM}/{nick}", f"<retract xmlns='{RETRACT}' id='m1'/><body>a</body>{private}{more}", "r1")

    said_to_us = stanza(f"{ROOM}/hag", f"<body>{SECRET}</body>{private}{occupant.format(1)}")
    strangers = (retracting("other", occupant.format(1)), retracting("hag", occupant.format(2)), retracting("hag", ""))
    await store.write(batch(ROMEO, f"{ROOM}/hag", said_to_us, *strangers))
    assert await tombstones(store, ROMEO) == [False] * 4
    await store.write(batch(ROMEO, f"{ROOM}/hag", retracting("hag", occupant.format(1)), first=5))
    assert await tombstones(store, ROMEO) == [True, *[False] * 4]
    ours = stanza(f"{ROMEO}/orchard", f"<body>{SECRET}</body>{private}", "m9")
    await store.write(batch(ROMEO, f"{ROOM}/hag", ours, retracts(f"{ROMEO}/phone", "m9"), first=6))
    assert await tombstones(store, ROMEO) == [True, *[False] * 4, True, False]


async def test_moderators_speak_through_the_room(store: Store) -> None:
    rude = in_room("hag", "1", f"<body>{SECRET}</body>", 1)
    await store.write(batch(ROOM, f"{ROOM}/hag", rude, moderated(f"{ROOM}/hag", ident(1)), room=True))
    assert await tombstones(store, ROOM) == [False, False]  # an occupant says so
    await store.write(batch(ROOM, ROOM, moderated(ROOM, ident(1)), first=3, room=True))
    tombstone = (await kept(store, ROOM))[0]
    retracted = tombstone.find(f"{{{RETRACT}}}retracted")
    assert retracted is not None
    by = retracted.find(f"{{{MODERATE}}}moderated")
    assert by is not None
    assert by.get("by") == f"{ROOM}/hag"
    assert by.find(f"{{{OCCUPANT_ID}}}occupant-id") is not None
    assert retracted.findtext(f"{{{RETRACT}}}reason") == "rude"
    assert SECRET not in ET.tostring(tombstone, "unicode")


async def test_what_a_room_said_in_the_archive_of_a_user(store: Store) -> None:
    rude = in_room("hag", "1", f"<body>{SECRET}</body>", 7)  # the room's id, not that of the archive
    await store.write(batch(ROMEO, f"{ROOM}/hag", rude, moderated(f"{ROOM}/other", ident(7))))
    assert await tombstones(store, ROMEO) == [False, False]
    await store.write(batch(ROMEO, ROOM, moderated(ROOM, ident(7)), first=3))
    assert await tombstones(store, ROMEO) == [True, False, False]


async def test_each_client_in_a_room_gets_a_copy_and_the_archive_keeps_one(store: Store) -> None:
    said_once = in_room("hag", "1", "<body>a</body>", 7)
    again = in_room("hag", "1", "<body>a</body>", 8)
    await store.write(batch(ROMEO, f"{ROOM}/hag", said_once, said_once, again))
    await store.write(batch(ROMEO, f"{ROOM}/hag", said_once, first=4))
    assert len(await kept(store, ROMEO)) == 2
    await store.write(batch(ROOM, f"{ROOM}/hag", said_once, first=7, room=True))
    assert len(await kept(store, ROOM)) == 1


async def test_it_is_gone_from_the_file(tmp_path: Path) -> None:
    """Not only from what is read: copies of the file have it no more, once the journal is taken in."""
    store = Store(SqliteDatabase(tmp_path / "archive.db"), Prefs("always"))
    await store.open()
    await store.write(batch(ROMEO, JULIET, *(said(f"{ROMEO}/orchard", f"m{number}") for number in range(1, 4))))
    for number in range(1, 4):
        await store.write(batch(ROMEO, JULIET, retracts(f"{ROMEO}/orchard", f"m{number}"), first=3 + number))
    await store.close()
    assert SECRET.encode() not in (tmp_path / "archive.db").read_bytes()
    assert not (tmp_path / "archive.db-wal").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<message xmlns='jabber:client' id='a' type='chat'>", "a"),
        ('<message id="a&amp;&quot;" from="b">', 'a&"'),
        ("<message xmlns='jabber:client' from='a b/id' type='chat'><body id='no'/>", None),
        ("<message thread-id='a'>", None),
        ("<message id=''>", None),
    ],
)
def test_the_id_of_a_message(text: str, name: str | None) -> None:
    assert reference_of(text) == reference(name)
