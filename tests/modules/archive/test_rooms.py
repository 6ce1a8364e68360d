"""The archives of rooms: what they keep, and who may read it."""

from __future__ import annotations

import pytest

from tests.modules.archive.conftest import ASK, ENTRY, INSTANT, JULIET, RESULT, ROMEO, ROOM, Scene, people
from tests.modules.conftest import condition
from xmpp_server.modules.archive.protocol import ARCHIVE
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.xml.parser import parse


@pytest.fixture
def coven() -> Scene:
    scene = Scene(more=[Muc(MucConfig(domain="chat.example.org"))])
    scene.connects()
    romeo, _ = people(scene)
    romeo.says(f"<presence to='{ROOM}/romeo'>{ENTRY}</presence>", f"<iq type='set' id='o' to='{ROOM}'>{INSTANT}</iq>")
    romeo.hears()
    scene.entries()
    return scene


def test_rooms(coven: Scene) -> None:
    romeo, line = coven.world.clients[ROMEO], coven.line
    assert line is not None
    romeo.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil &amp; bubble</body></message>")
    (entry,) = coven.entries()
    assert (entry.get("owner"), entry.get("with"), entry.get("room")) == (ROOM, f"{ROOM}/romeo", "true")
    (heard,) = romeo.hears()
    kept = parse((entry.text or "").encode())
    assert (kept.get("from"), kept.get("type"), kept.get("id")) == (f"{ROOM}/romeo", "groupchat", "m")
    for message in (heard, kept):
        stamped = message.find("stanza-id", "urn:xmpp:sid:0")
        assert stamped is not None
        assert (stamped.get("by"), stamped.get("id")) == (ROOM, entry.get("id"))
    juliet = coven.world.clients[JULIET]
    juliet.says(ASK.format(to=f"to='{ROOM}'"))
    (request,) = line.hears()
    ask = request.find("ask", ARCHIVE)
    assert ask is not None
    assert (ask.get("owner"), ask.get("room")) == (ROOM, "true")
    coven.answers(request, RESULT)
    message, result = juliet.hears()
    assert (message.get("from"), result.get("from")) == (ROOM, ROOM)


def test_what_moderators_retract_is_told_to_the_archive(coven: Scene) -> None:
    romeo = coven.world.clients[ROMEO]
    romeo.says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil</body></message>")
    (entry,) = coven.entries()
    romeo.hears()
    inside = "<retract xmlns='urn:xmpp:message-retract:1'/><reason>no cooking</reason>"
    moderate = f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{entry.get('id')}'>{inside}</moderate>"
    romeo.says(f"<iq type='set' id='x' to='{ROOM}'>{moderate}</iq>")
    (retraction,) = coven.entries()
    assert (retraction.get("owner"), retraction.get("with"), retraction.get("room")) == (ROOM, ROOM, "true")
    kept = parse((retraction.text or "").encode())
    assert (kept.get("from"), kept.get("type")) == (ROOM, "groupchat")
    retract = kept.find("retract", "urn:xmpp:message-retract:1")
    stamped = kept.find("stanza-id", "urn:xmpp:sid:0")
    assert retract is not None
    assert stamped is not None
    assert (retract.get("id"), stamped.get("id")) == (entry.get("id"), retraction.get("id"))
    heard = next(one for one in romeo.hears() if one.name == "message")
    assert heard.find("stanza-id", "urn:xmpp:sid:0") is not None


def test_closed_rooms_and_no_rooms(coven: Scene) -> None:
    juliet = coven.world.clients[JULIET]
    room = coven.world.module(Muc).rooms.get("coven")
    assert room is not None
    room.room.config = type(room.room.config)(members_only=True)
    juliet.says(ASK.format(to=f"to='{ROOM}'"))
    assert [condition(one) for one in juliet.hears()] == ["forbidden"]
    juliet.says(ASK.format(to="to='nowhere@chat.example.org'"))
    assert [condition(one) for one in juliet.hears()] == ["item-not-found"]


def test_who_founds_a_room_reads_nothing_of_a_namesake(coven: Scene) -> None:
    """A temporary room may have ended with the server's process."""
    juliet = coven.world.clients[JULIET]
    juliet.says(f"<presence to='other@chat.example.org/juliet'>{ENTRY}</presence>")
    assert [(one.name, one.get("owner")) for one in coven.entries()] == [("erase", "other@chat.example.org")]


def test_a_destroyed_room_is_erased(coven: Scene) -> None:
    romeo = coven.world.clients[ROMEO]
    destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
    romeo.says(f"<iq type='set' id='d' to='{ROOM}'>{destroy}</iq>")
    assert [(one.name, one.get("owner")) for one in coven.entries()] == [("erase", ROOM)]
