"""Tests of xmpp_server.modules.archive.room_setting: rooms whose owners do not want an archive."""

from __future__ import annotations

import pytest

from tests.modules.archive.conftest import ENTRY, INSTANT, ROMEO, ROOM, Scene, bodies, people
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.xml.element import Element


@pytest.fixture
def scene() -> Scene:
    scene = Scene(more=[Muc(MucConfig(domain="chat.example.org"))])
    scene.connects()
    romeo, _ = people(scene)
    romeo.says(f"<presence to='{ROOM}/romeo'>{ENTRY}</presence>", f"<iq type='set' id='o' to='{ROOM}'>{INSTANT}</iq>")
    scene.entries()
    return scene


def sets(scene: Scene, archived: str) -> None:
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        f"<field var='muc#roomconfig_mam'><value>{archived}</value></field></x>"
    )
    query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>"
    scene.world.clients[ROMEO].says(f"<iq type='set' id='c' to='{ROOM}'>{query}</iq>")


def kept(scene: Scene, inside: str) -> list[Element]:
    scene.world.clients[ROMEO].says(f"<message to='{ROOM}' type='groupchat' id='m'>{inside}</message>")
    return scene.entries()


def test_off_and_on(scene: Scene) -> None:
    assert bodies(kept(scene, "<body>boil</body>")) == ["boil"]
    sets(scene, "0")
    assert kept(scene, "<body>bubble</body>") == []
    assert kept(scene, "<subject>toil</subject>") == []
    # what was archived before can still be retracted
    [entry] = kept(scene, "<retract xmlns='urn:xmpp:message-retract:1' id='a'/>")
    assert entry.get("owner") == ROOM
    sets(scene, "1")
    assert bodies(kept(scene, "<body>trouble</body>")) == ["trouble"]
