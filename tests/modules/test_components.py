"""External components among the items of the host, and in its rooms."""

from __future__ import annotations

from collections.abc import Iterator

from tests.modules.conftest import IM
from tests.plugged import plug
from tests.world import World
from xmpp_server.modules.components import ExternalComponents
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC, MUC_OWNER

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


def test_components_own_rooms_like_anybody_else() -> None:
    world = World("example.org", modules=(*IM, Muc))
    line = plug(world, "bot.example.org").connects()
    bot, room = "news@bot.example.org/1", "tv@conference.example.org"
    line.says(f"<presence from='{bot}' to='{room}/News'><x xmlns='{MUC}'/></presence>")
    codes = {one.get("code") for element in line.hears() for one in _descendants(element) if one.name == "status"}
    assert {"110", "201"} <= codes
    owner = f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>"
    line.says(f"<iq from='{bot}' to='{room}' type='set' id='own'>{owner}</iq>")
    assert "result" in [element.get("type") for element in line.hears() if element.get("id") == "own"]
    line.says(f"<message from='{bot}' to='{room}' type='groupchat'><body>good evening</body></message>")
    assert "good evening" in [one.text for element in line.hears() for one in element.elements() if one.name == "body"]


def _descendants(element: Element) -> Iterator[Element]:
    for child in element.elements():
        yield child
        yield from _descendants(child)
