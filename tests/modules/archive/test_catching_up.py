"""Stored messages are not repeated to clients that have read them in the archive, and lost for nobody."""

from __future__ import annotations

import pytest

from tests.modules.archive.conftest import ASK, Scene, said
from tests.plugged import PluggedLine
from tests.world import Client
from xmpp_server.jid import JID
from xmpp_server.modules.archive.protocol import ARCHIVE
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MAM
from xmpp_server.xml.parser import parse

ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org"
BODY = "body"


class Archive:
    """What was handed over of Juliet's, and the answers that it makes of it."""

    def __init__(self, scene: Scene, line: PluggedLine) -> None:
        self._scene = scene
        self._line = line
        self.ids: list[str] = []

    def takes(self) -> None:
        entries = [entry for batch in self._scene.batches() for entry in batch]
        self.ids += [entry.get("id") or "" for entry in entries if entry.get("owner") == JULIET]

    def answers(self, *ids: str) -> None:
        (request,) = self._line.hears()
        results = "".join(
            f"<result xmlns='{MAM}' id='{ident}'><forwarded xmlns='urn:xmpp:forward:0'/></result>" for ident in ids
        )
        self._scene.answers(request, f"<answer xmlns='{ARCHIVE}'>{results}<fin xmlns='{MAM}'/></answer>")


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def archive(scene: Scene) -> Archive:
    """Three messages are in the archive and, as Juliet is away, stored."""
    archive = Archive(scene, scene.connects())
    scene.world.create(JULIET)
    romeo = scene.world.online(ROMEO)
    romeo.says(*(said(JULIET, str(number)) for number in range(3)))
    archive.takes()
    assert len(archive.ids) == 3
    return archive


def asks(scene: Scene, archive: Archive, *ids: str, sm: bool = False, resource: str = "balcony") -> Client:
    """Juliet signs in and reads her archive before she is available."""
    juliet = scene.world.login(f"{JULIET}/{resource}")
    if sm:
        juliet.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    juliet.says(ASK.format(to=""))
    archive.answers(*ids)
    juliet.hears()
    return juliet


def comes(client: Client) -> list[str]:
    """The client becomes available; return what it is told then."""
    client.says("<presence/>")
    return bodies(client.hears())


def bodies(elements: list[Element]) -> list[str]:
    found = (one.find(BODY, "jabber:client") for one in elements if one.name == "message")
    return [body.text for body in found if body is not None]


def stored(scene: Scene) -> list[str]:
    rows = scene.world.run(scene.world.host.storage.offline.load(JID.parse(JULIET), None, 100))
    return bodies([parse(row.stanza) for row in rows])


def test_what_was_read_does_not_come_again(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids)
    assert len(stored(scene)) == 3
    assert comes(juliet) == []
    assert stored(scene) == []
    assert juliet.account.offline_count == 0


def test_what_was_not_read_comes(scene: Scene, archive: Archive) -> None:
    assert comes(asks(scene, archive, archive.ids[1])) == ["0", "2"]
    assert stored(scene) == []


def test_who_asks_when_available_has_them_already(scene: Scene, archive: Archive) -> None:
    juliet = scene.world.login(f"{JULIET}/balcony")
    assert comes(juliet) == ["0", "1", "2"]
    assert stored(scene) == []


def test_who_only_reads_takes_nothing_from_others(scene: Scene, archive: Archive) -> None:
    """A program that looks at the archive and never becomes available is nobody's phone."""
    asks(scene, archive, *archive.ids, resource="backup")
    assert comes(scene.world.login(f"{JULIET}/old phone")) == ["0", "1", "2"]


def test_who_asks_for_another_archive(scene: Scene, archive: Archive) -> None:
    romeo = scene.world.login("romeo@example.org/phone")
    romeo.says(ASK.format(to=""))
    archive.answers(*archive.ids)
    assert comes(scene.world.login(f"{JULIET}/balcony")) == ["0", "1", "2"]


def test_pages_that_are_not_acknowledged_are_not_read(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids, sm=True)
    assert comes(juliet) == []
    assert len(stored(scene)) == 3
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    assert stored(scene) == ["2"]
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='3'/>")
    assert stored(scene) == []


def test_pages_acknowledged_before_presence_are_read(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids, sm=True)
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    assert comes(juliet) == []
    assert stored(scene) == ["2"]


def test_a_client_that_dies_with_pages_under_way(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids, sm=True)
    assert comes(juliet) == []
    juliet.drops()
    scene.world.passes(700)
    assert juliet.session.closed
    assert comes(scene.world.login(f"{JULIET}/chamber")) == ["0", "1", "2"]


def test_a_client_that_dies_while_another_is_there(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids, sm=True)
    assert comes(juliet) == []
    other = scene.world.login(f"{JULIET}/chamber")
    assert comes(other) == []
    juliet.drops()
    scene.world.passes(700)
    assert bodies(other.hears()) == ["0", "1", "2"]
    assert stored(scene) == []


def test_a_client_that_resumes_gets_its_pages_and_nothing_else(scene: Scene, archive: Archive) -> None:
    juliet = asks(scene, archive, *archive.ids, sm=True)
    assert comes(juliet) == []
    juliet.drops()
    juliet.resumes()
    again = [one for one in juliet.hears() if one.name == "message"]
    assert [result.get("id") for one in again if (result := one.find("result", MAM))] == archive.ids
    assert bodies(again) == []
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='5'/>")
    assert stored(scene) == []
