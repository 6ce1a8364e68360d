"""A world with an archive that answers when the test says so, and the people in it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.modules.conftest import IM
from tests.plugged import Plugged, PluggedLine, plug
from tests.world import Client, World
from xmpp_server.core.module import Module
from xmpp_server.modules.archive import Archive
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.archive.protocol import ARCHIVE
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MAM
from xmpp_server.xml.parser import parse

DOMAIN = "archive.example.org"
ROMEO, JULIET = "romeo@example.org/orchard", "juliet@example.org/balcony"
ASK = f"<iq type='set' id='q' {{to}}><query xmlns='{MAM}' queryid='f27'/></iq>"
RESULT = (
    f"<answer xmlns='{ARCHIVE}'><result xmlns='{MAM}' queryid='f27' id='1'><forwarded xmlns='urn:xmpp:forward:0'>"
    "<delay xmlns='urn:xmpp:delay' stamp='2024-01-01T00:00:00Z'/><message xmlns='jabber:client'><body>old</body>"
    f"</message></forwarded></result><fin xmlns='{MAM}' complete='true'/></answer>"
)
ROOM = "coven@chat.example.org"
ENTRY = "<x xmlns='http://jabber.org/protocol/muc'/>"
INSTANT = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"


class Scene:
    """A world with an archive that answers when the test says so."""

    def __init__(self, config: ArchiveConfig | None = None, more: Sequence[Module] = ()) -> None:
        self.plugged: Plugged | None = None
        self.world = World("example.org")
        self.plugged = plug(self.world, DOMAIN)
        host = self.world.host
        modules = [*(kind() for kind in IM), ServiceDiscovery(), StableIds(), StreamManagementModule()]
        for module in (*modules, *more, Archive(config)):
            host.add_module(module)
        self.line: PluggedLine | None = None

    def connects(self) -> PluggedLine:
        assert self.plugged is not None
        self.line = self.plugged.connects()
        return self.line

    def batches(self, *, settled: bool = True) -> list[list[Element]]:
        """What was handed over since; answered, until nothing more comes."""
        assert self.line is not None
        found = []
        while requests := [one for one in self.line.hears() if one.name == "iq"]:
            for iq in requests:
                store = iq.find("store", ARCHIVE)
                assert store is not None, iq
                found.append(list(store.elements()))
                if settled:
                    self.answers(iq)
            if not settled:
                break
        return found

    def answers(self, iq: Element, inside: str = "", kind: str = "result") -> None:
        assert self.line is not None
        self.line.says(f"<iq type='{kind}' id='{iq.get('id')}' from='{DOMAIN}' to='example.org'>{inside}</iq>")

    def entries(self) -> list[Element]:
        return [entry for batch in self.batches() for entry in batch]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def said(to: str, text: str = "hi", more: str = "") -> str:
    return f"<message to='{to}' type='chat'><body>{text}</body>{more}</message>"


def people(scene: Scene) -> tuple[Client, Client]:
    romeo, juliet = scene.world.online(ROMEO), scene.world.online(JULIET)
    romeo.hears()
    juliet.hears()
    return romeo, juliet


def bodies(entries: list[Element]) -> list[str]:
    found = []
    for entry in entries:
        body = parse(entry.text.encode()).find("body", "jabber:client")
        assert body is not None
        found.append(body.text)
    return found
