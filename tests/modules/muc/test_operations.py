"""What operators do to rooms."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM
from tests.modules.muc.conftest import HAG, ROOM, SERVICE, Coven, codes
from tests.world import World
from xmpp_server.modules.commands import Commands
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMMANDS

ADMIN = "admin@example.org/x"
NODE = "urn:xmpp-server:rooms#"


@pytest.fixture
def world() -> World:
    modules = (*IM, ServiceDiscovery, Commands, lambda: Muc(MucConfig(domain=SERVICE, idle_s=10)))
    return World("example.org", modules=modules, admins=["admin@example.org"])


def command(coven: Coven, name: str, jid: str = ADMIN, /, **fields: str) -> Element:
    """Run a command of one form; return the last answer."""
    answer = coven.asks(jid, "set", f"<command xmlns='{COMMANDS}' node='{NODE}{name}'/>", "example.org")
    found = answer.find("command", COMMANDS)
    if found is None or not fields:
        return answer
    form = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items())
    return coven.asks(
        jid,
        "set",
        f"<command xmlns='{COMMANDS}' node='{NODE}{name}' sessionid='{found.get('sessionid')}'>"
        f"<x xmlns='jabber:x:data' type='submit'>{form}</x></command>",
        "example.org",
    )


def listed(coven: Coven) -> list[tuple[str | None, ...]]:
    found = command(coven, "list").find("command", COMMANDS)
    assert found is not None
    form = Form.of(found)
    assert form is not None
    return [tuple(field.value for field in item) for item in form.items]


def test_listed_awake_and_asleep(coven: Coven) -> None:
    coven.founded(roomname="Cave", publicroom="0")
    command(coven, "create", room=f"den@{SERVICE}", owner=HAG, name="Den")
    coven.world.runtime.advance(60)
    assert coven.muc.rooms.get("den") is None
    assert listed(coven) == [(ROOM, "Cave", "1"), (f"den@{SERVICE}", "Den", "0")]


def test_created_for_somebody(coven: Coven) -> None:
    assert command(coven, "create", room=ROOM, owner=HAG).get("type") == "result"
    assert codes(coven.enters(HAG, "hag").hears()[0]) == {"110"}
    room = coven.open().room
    assert [str(owner) for owner in room.owners()] == ["hag66@example.org"]
    answer = command(coven, "create", room=ROOM)
    assert "exists already" in str(answer)
    assert "Rooms are at" in str(command(coven, "create", room="room@example.org"))


def test_destroyed(coven: Coven) -> None:
    owner = coven.founded(persistentroom="1")
    assert command(coven, "destroy", room=ROOM, reason="Because").get("type") == "result"
    assert "Because" in str(owner.hears()[0])
    assert listed(coven) == []
    assert "There is no room" in str(command(coven, "destroy", room=ROOM))


def test_for_admins_alone(coven: Coven) -> None:
    coven.founded()
    assert command(coven, "list", HAG).get("type") == "error"
