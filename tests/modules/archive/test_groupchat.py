"""What rooms say in the archives of users: by option, once for each user, from rooms here and elsewhere."""

from __future__ import annotations

import pytest

from tests.modules.archive.conftest import ENTRY, INSTANT, JULIET, ROMEO, ROOM, Scene, bodies
from tests.world import Client
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, MAM
from xmpp_server.xml.parser import parse

AVAILABLE = f"{MAM}#groupchat-available"
ELSEWHERE = "salon@rooms.example.net"
SAID = "<message type='groupchat' from='{room}/nurse' to='{to}' id='n'><body>ay</body>{more}</message>"


def scene_of(*, groupchat: bool) -> Scene:
    scene = Scene(ArchiveConfig(groupchat=groupchat), [Muc(MucConfig(domain="chat.example.org"))])
    line = scene.connects()
    for jid in (ROMEO, "romeo@example.org/phone", JULIET):
        client = scene.world.online(jid)
        client.says(f"<presence to='{ROOM}/{jid.partition('@')[0]}'>{ENTRY}</presence>")
        if jid == ROMEO:
            client.says(f"<iq type='set' id='o' to='{ROOM}'>{INSTANT}</iq>")
    scene.batches()
    line.hears()
    return scene


@pytest.fixture
def scene() -> Scene:
    return scene_of(groupchat=True)


def owners(entries: list[Element]) -> list[str | None]:
    return sorted(str(entry.get("owner")) for entry in entries)


def romeo_of(scene: Scene) -> Client:
    return scene.world.clients[ROMEO]


def test_once_for_each_who_hears_it(scene: Scene) -> None:
    romeo_of(scene).says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil</body></message>")
    entries = scene.entries()
    assert owners(entries) == [ROOM, "juliet@example.org", "romeo@example.org"]
    assert len({entry.get("id") for entry in entries}) == 1
    assert {entry.get("with") for entry in entries} == {f"{ROOM}/romeo"}
    assert [entry.get("room") for entry in entries] == ["true", None, None]
    assert bodies(entries) == ["boil"] * 3


def test_what_moderators_retract_is_retracted_for_all(scene: Scene) -> None:
    moderate = "<moderate xmlns='urn:xmpp:message-moderate:1' id='a'><retract xmlns='urn:xmpp:message-retract:1'/>"
    romeo_of(scene).says(f"<iq type='set' id='x' to='{ROOM}'>{moderate}</moderate></iq>")
    entries = scene.entries()
    assert owners(entries) == [ROOM, "juliet@example.org", "romeo@example.org"]
    assert {parse((entry.text or "").encode()).get("from") for entry in entries} == {ROOM}


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ("", ["romeo@example.org"]),
        ("<delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/>", []),
        ("<no-store xmlns='urn:xmpp:hints'/>", []),
    ],
)
def test_rooms_elsewhere(scene: Scene, more: str, kept: list[str]) -> None:
    remote = scene.world.remote("rooms.example.net")
    remote.says(SAID.format(room=ELSEWHERE, to=ROMEO, more=more))
    entries = scene.entries()
    assert owners(entries) == kept
    assert {entry.get("with") for entry in entries} == ({f"{ELSEWHERE}/nurse"} if kept else set())


def test_only_by_option() -> None:
    scene = scene_of(groupchat=False)
    romeo_of(scene).says(f"<message to='{ROOM}' type='groupchat' id='m'><body>boil</body></message>")
    remote = scene.world.remote("rooms.example.net")
    remote.says(SAID.format(room=ELSEWHERE, to=ROMEO, more=""))
    assert owners(scene.entries()) == [ROOM]


@pytest.mark.parametrize("groupchat", [True, False])
def test_clients_are_told(groupchat: bool) -> None:
    scene = scene_of(groupchat=groupchat)
    assert scene.world.host.modules.get(ServiceDiscovery)
    romeo = romeo_of(scene)
    romeo.hears()
    romeo.says(f"<iq type='get' id='d' to='romeo@example.org'><query xmlns='{DISCO_INFO}'/></iq>")
    query = romeo.hears()[0].find("query", DISCO_INFO)
    assert query is not None
    features = {one.get("var") for one in query.findall("feature", DISCO_INFO)}
    assert f"{MAM}#groupchat-field" in features
    assert (AVAILABLE in features) is groupchat
