"""External components among the items of the host."""

from __future__ import annotations

from tests.plugged import plug
from tests.world import World
from xmpp_server.modules.components import ExternalComponents
from xmpp_server.modules.disco import ServiceDiscovery

ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"


def items(world: World, host: str) -> list[str | None]:
    client = world.clients.get(f"romeo@{host}/home") or world.login(f"romeo@{host}/home")
    answer = client.asks("get", ITEMS, host)
    return [item.get("jid") for query in answer.elements() for item in query.elements()]


def test_a_host_lists_its_own_and_those_of_nobody() -> None:
    world = World("example.org", "example.net", modules=(ServiceDiscovery, ExternalComponents))
    files = plug(world, "files.example.org", "proxy.example.org")
    irc = plug(world, "irc.elsewhere")
    files.connects()
    irc.connects()
    assert items(world, "example.org") == ["files.example.org", "proxy.example.org", "irc.elsewhere"]
    assert items(world, "example.net") == ["irc.elsewhere"]


def test_who_is_away_for_long_is_not_listed() -> None:
    world = World("example.org", modules=(ServiceDiscovery, ExternalComponents))
    files = plug(world, "files.example.org")
    assert items(world, "example.org") == []
    files.connects().drops()
    assert items(world, "example.org") == ["files.example.org"]
    world.passes(31)
    assert items(world, "example.org") == []


def test_nodes_have_none_of_them() -> None:
    world = World("example.org", modules=(ServiceDiscovery, ExternalComponents))
    plug(world, "files.example.org").connects()
    answer = world.login("romeo@example.org/home").asks("get", ITEMS.replace("/>", " node='x'/>"), "example.org")
    assert "files.example.org" not in str([child.attrs for child in answer.elements()])
