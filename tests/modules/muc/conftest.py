"""A world with a chat service, and what its clients say all the time."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC_USER

SERVICE = "chat.example.org"
ROOM = f"coven@{SERVICE}"
CRONE, WICCA, HAG = "crone1@example.org/desktop", "wiccarocks@example.org/laptop", "hag66@example.org/pda"
ENTRY = "<x xmlns='http://jabber.org/protocol/muc'/>"
INSTANT = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
ADMIN = "http://jabber.org/protocol/muc#admin"


class Coven:
    """A room and its people."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.muc = world.module(Muc)
        #: What the one who asked last has heard besides the answer.
        self.rest: list[Element] = []
        self.answered_first = False

    def client(self, jid: str) -> Client:
        return self.world.clients.get(jid) or self.world.online(jid)

    def enters(self, jid: str, nick: str, inside: str = "", room: str = ROOM) -> Client:
        """Let a client enter; what it hears is left for the test."""
        client = self.client(jid)
        client.hears()
        client.says(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>")
        return client

    def founded(self, room: str = ROOM, **fields: str | list[str]) -> Client:
        """Make a room, whose owner is in it as firstwitch."""
        owner = self.enters(CRONE, "firstwitch", room=room)
        self.configures(room=room, **fields)
        owner.hears()
        return owner

    def configures(self, room: str = ROOM, jid: str = CRONE, **fields: str | list[str]) -> Element:
        """Submit fields; their names are those of the variables behind `muc#roomconfig_`."""
        form = "".join(
            f"<field var='{name if '#' in name or '_' in name else 'muc#roomconfig_' + name}'>"
            + "".join(f"<value>{value}</value>" for value in ([values] if isinstance(values, str) else values))
            + "</field>"
            for name, values in fields.items()
        )
        kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>" if form else ""
        return self.asks(
            jid,
            "set",
            "<query xmlns='http://jabber.org/protocol/muc#owner'>"
            f"<x xmlns='jabber:x:data' type='submit'>{kind}{form}</x></query>",
            room,
        )

    def asks(self, jid: str, kind: str, payload: str, to: str = ROOM) -> Element:
        """Send an IQ and return the answer; what else is heard is in `rest`."""
        client = self.client(jid)
        client.says(f"<iq type='{kind}' id='q' to='{to}'>{payload}</iq>")
        heard = client.hears()
        [answer] = [one for one in heard if one.name == "iq"]
        self.rest = [one for one in heard if one is not answer]
        self.answered_first = heard[0] is answer
        return answer

    def administers(self, jid: str, *items: str, room: str = ROOM) -> Element:
        """Set items of a list."""
        return self.asks(jid, "set", f"<query xmlns='{ADMIN}'>{''.join(items)}</query>", room)

    def quiet(self) -> None:
        """Let everybody forget what was heard."""
        for client in self.world.clients.values():
            client.hears()

    def open(self, room: str = ROOM) -> OpenRoom:
        found = self.muc.rooms.get(room.split("@")[0])
        assert found is not None
        return found


def codes(presence: Element) -> set[str]:
    """The status codes of a presence or message."""
    x = presence.find("x", MUC_USER)
    assert x is not None, presence
    return {status.get("code") or "" for status in x.findall("status", MUC_USER)}


def item(presence: Element) -> Element:
    """The item of a presence."""
    x = presence.find("x", MUC_USER)
    assert x is not None, presence
    found = x.find("item", MUC_USER)
    assert found is not None, presence
    return found


def make_world(config: MucConfig | None = None) -> World:
    service = config or MucConfig(domain=SERVICE)
    return World("example.org", modules=(*IM, ServiceDiscovery, lambda: Muc(service)), admins=["admin@example.org"])


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def coven(world: World) -> Coven:
    return Coven(world)
