"""Rooms in memory and in storage: sleeping, waking, a restart, ten thousand of them."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, WICCA, Coven, codes, item, make_world
from tests.world import World
from xmpp_server.core import persistence
from xmpp_server.jid import JID
from xmpp_server.modules.muc import keeping
from xmpp_server.modules.muc.keeping import HISTORY, INDEX, Entry
from xmpp_server.modules.muc.keeping import ROOM as KIND
from xmpp_server.storage.api import StorageFullError
from xmpp_server.xml.namespaces import CLIENT


def again(coven: Coven) -> Coven:
    """Another server on the same store."""
    world = make_world()
    for host in world.hosts.values():
        host.storage = coven.world.storage
    world.storage = coven.world.storage
    muc = world.module(type(coven.muc))
    muc.rooms._documents = coven.world.storage.documents
    return Coven(world)


def chat(coven: Coven, jid: str, body: str) -> None:
    coven.client(jid).says(f"<message to='{ROOM}' type='groupchat'><body>{body}</body></message>")


@pytest.fixture
def settled(coven: Coven) -> Coven:
    """A persistent room with everything that is kept."""
    coven.founded(persistentroom="1", roomname="Cave", membersonly="1", roomsecret="cauldronburn")
    coven.administers(
        CRONE,
        "<item affiliation='member' jid='hag66@example.org' nick='thirdwitch'/>",
        "<item affiliation='outcast' jid='evil.example'><reason>evil</reason></item>",
    )
    chat(coven, CRONE, "Thrice the brinded cat")
    coven.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
    coven.quiet()
    return coven


def left(coven: Coven) -> None:
    for client in list(coven.world.clients.values()):
        client.leaves()
        del coven.world.clients[client.jid]


def state(coven: Coven) -> tuple[object, ...]:
    room = coven.open().room
    return room.config, room.affiliates, room.subject, list(room.history), room.creator


def test_what_is_left_of_rooms_is_bounded(coven: Coven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmpp_server.modules.muc.rooms.GRAVES", 2)
    for name in "abc":
        room = f"{name}@{SERVICE}"
        coven.founded(room=room, persistentroom="1")
        coven.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>", room)
        coven.world.passes(1)
    rooms = coven.muc.rooms
    assert [rooms.tombstone(name) is not None for name in "abc"] == [False, True, True]
    stored = coven.world.run(coven.world.storage.documents.all(JID.parse(SERVICE), keeping.TOMBSTONES))
    assert sorted(stored) == ["b", "c"]
    assert not rooms._creators


def test_a_room_sleeps_and_wakes(settled: Coven) -> None:
    before = state(settled)
    left(settled)
    settled.world.passes(200)
    assert settled.muc.rooms.get("coven") is None
    heard = settled.enters(HAG, "thirdwitch", "<password>cauldronburn</password>").hears()
    assert [body.text for one in heard if (body := one.find("body", CLIENT)) is not None] == ["Thrice the brinded cat"]
    assert state(settled) == before


def test_a_room_outlives_the_server(settled: Coven) -> None:
    before = state(settled)
    left(settled)
    other = again(settled)
    assert condition(other.enters(WICCA, "secondwitch").hears()[0]) == "registration-required"
    assert state(other) == before
    assert other.muc.occupant_id(JID.parse(ROOM), JID.parse("x@example.org")) == settled.muc.occupant_id(
        JID.parse(ROOM), JID.parse("x@example.org")
    )


async def test_a_room_that_could_not_be_written_down_is_so_later(coven: Coven) -> None:
    owner = coven.enters(CRONE, "firstwitch")
    owner.hears()
    coven.world.storage.hold()
    kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    persistent = "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
    owner.says(
        f"<iq type='set' id='c' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
        f"<x xmlns='jabber:x:data' type='submit'>{kind}{persistent}</x></query></iq>"
    )
    coven.world.release(StorageFullError("no space"))
    assert [condition(one) for one in owner.hears() if one.get("id") == "c"] == ["resource-constraint"]
    owner.leaves()
    coven.world.passes(200)
    assert coven.muc.rooms.get("coven") is None  # it sleeps
    other = again(coven)
    del coven.world.clients[owner.jid]
    other.enters(WICCA, "secondwitch")
    assert other.open().room.owners() == [JID.parse(CRONE).bare]


def test_what_is_said_is_written_down_soon(settled: Coven) -> None:
    settled.world.passes(11)
    documents = settled.world.storage.documents
    first = settled.world.run(documents.get(JID.parse(ROOM), HISTORY, ""))
    chat(settled, CRONE, "again")
    assert settled.world.run(documents.get(JID.parse(ROOM), HISTORY, "")) == first
    settled.world.passes(11)
    assert settled.world.run(documents.get(JID.parse(ROOM), HISTORY, "")) != first


def test_subjects_are_written_down_soon_and_not_each(settled: Coven) -> None:
    settled.world.passes(11)
    documents = settled.world.storage.documents

    def stored() -> bytes | None:
        return settled.world.run(documents.get(JID.parse(ROOM), KIND, ""))

    first = stored()
    for number in range(3):
        settled.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'><subject>{number}</subject></message>")
    assert stored() == first
    settled.world.passes(11)
    assert stored() != first
    settled.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
    assert stored() is None


def test_a_destroyed_room_with_a_new_subject_does_not_come_back(settled: Coven) -> None:
    settled.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
    settled.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
    settled.world.passes(30)
    documents = settled.world.storage.documents
    assert settled.world.run(documents.kinds(JID.parse(ROOM))) == []
    assert settled.world.run(documents.all(JID.parse(SERVICE), INDEX)) == {}


def test_temporary_rooms_are_nowhere_stored(settled: Coven) -> None:
    settled.configures(persistentroom="0")
    documents = settled.world.storage.documents
    assert settled.world.run(documents.kinds(JID.parse(ROOM))) == []
    assert settled.world.run(documents.all(JID.parse(SERVICE), INDEX)) == {}
    left(settled)
    assert settled.muc.rooms.get("coven") is None


def test_destroyed_rooms_are_stored_no_more(settled: Coven) -> None:
    settled.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
    assert settled.world.run(settled.world.storage.documents.kinds(JID.parse(ROOM))) == []


def test_many_rooms_cost_little(coven: Coven) -> None:
    documents = coven.world.storage.documents
    entry = keeping.encode(Entry("A room", True, CRONE))
    for number in range(10_000):
        documents.put(JID.parse(SERVICE), INDEX, f"room{number}", entry)
    hag = coven.client(HAG)
    answer = hag.asks("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", SERVICE)
    query = answer.first
    assert query is not None
    assert len(list(query.elements())) == 501  # a page, and how many there are
    assert not coven.muc.rooms.open_rooms()


def test_a_damaged_room(coven: Coven) -> None:
    documents = coven.world.storage.documents
    documents.put(JID.parse(SERVICE), INDEX, "coven", keeping.encode(Entry("A room", True, CRONE)))
    documents.put(JID.parse(ROOM), KIND, "", b"\x00nonsense")
    assert condition(coven.enters(HAG, "thirdwitch").hears()[0]) == "internal-server-error"


def test_many_at_the_door_of_a_sleeping_room(settled: Coven) -> None:
    left(settled)
    settled.world.passes(200)
    for client, nick in ((CRONE, "firstwitch"), (HAG, "thirdwitch")):
        settled.enters(client, nick, "<password>cauldronburn</password>")
    assert len(settled.open().room.occupants) == 2


@pytest.mark.parametrize("persistent", ["1", "0"])
def test_a_planned_restart(coven: Coven, persistent: str) -> None:
    # who can resume is where they were, and nothing is told twice
    coven.founded(persistentroom=persistent)
    coven.enters(HAG, "thirdwitch")
    chat(coven, CRONE, "before")
    coven.quiet()
    session = coven.client(HAG).session
    host = coven.world.host
    host.sessions.manage(session, resume=True, max_s=None)
    session.suspend()
    saved = persistence.save(session)
    other = again(coven)
    assert other.world.run(persistence.restore(other.world.host, saved))
    restored = other.world.host.sessions.resumable[0]
    assert restored.sm is not None
    if persistent == "0":  # the room has not outlived it
        [item_] = restored.sm.queue
        assert codes(item_.stanza.element) == {"110", "332"}
        return
    assert not list(restored.sm.queue)
    heard = other.enters(CRONE, "firstwitch").hears()
    assert item(heard[0]).get("role") == "participant"
    assert [body.text for one in heard if (body := one.find("body", CLIENT)) is not None] == ["before"]
    assert next(iter(restored.sm.queue)).wire.startswith(b"<presence from='coven@chat.example.org/firstwitch'")


@pytest.mark.parametrize("asleep", [False, True])
def test_a_deleted_account_is_forgotten(settled: Coven, asleep: bool) -> None:
    settled.administers(CRONE, "<item affiliation='admin' jid='wiccarocks@example.org'/>")
    if asleep:
        left(settled)
        settled.world.passes(200)
        assert settled.muc.rooms.get("coven") is None
    settled.world.run(settled.world.host.provisioning.delete(JID.parse(CRONE).bare))
    room = settled.open().room
    assert JID.parse(CRONE).bare not in room.affiliates
    assert room.owners() == ["wiccarocks@example.org"]


def test_a_session_that_hibernates_stays_in_the_room(coven: Coven) -> None:
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    coven.world.host.sessions.manage(hag.session, resume=True, max_s=None)
    hag.drops()
    chat(coven, CRONE, "still there?")
    assert [one.name for one in coven.client(CRONE).hears()] == ["message"]
    hag.resumes()
    assert [one.name for one in hag.hears() if one.name == "message"] == ["message"]
    hag.drops()
    coven.world.passes(1000)
    [presence] = coven.client(CRONE).hears()
    assert presence.get("type") == "unavailable"


def test_blocked_occupants_are_not_heard() -> None:
    # XEP-0191: a room writes to its clients without detours, but not past their block lists
    from tests.modules.conftest import IM
    from xmpp_server.modules.blocking import Blocking
    from xmpp_server.modules.muc import Muc, MucConfig

    world = World("example.org", modules=(*IM, Blocking, lambda: Muc(MucConfig(domain=SERVICE))))
    coven = Coven(world)
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.enters(WICCA, "secondwitch")
    hag.asks("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{ROOM}/secondwitch'/></block>")
    coven.quiet()
    chat(coven, WICCA, "hi")
    chat(coven, CRONE, "ho")
    assert [one.get("from") for one in hag.hears()] == [f"{ROOM}/firstwitch"]
    # nor by what was said before; but by the subject clients know that they are in
    coven.administers(CRONE, "<item nick='secondwitch' role='moderator'/>")
    coven.client(WICCA).says(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
    hag.hears()
    heard = [one for one in coven.enters(HAG, "thirdwitch").hears() if one.name == "message"]
    assert [(one.get("from"), one.find("subject", CLIENT) is not None) for one in heard] == [
        (f"{ROOM}/firstwitch", False),
        (f"{ROOM}/secondwitch", True),
    ]
