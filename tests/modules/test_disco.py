"""XEP-0030: who learns what; §7 and §8."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.modules.disco import CAPS_NODE, ServiceDiscovery, verification_string
from xmpp_server.modules.ping import Ping
from xmpp_server.xml.namespaces import CAPS, DISCO_INFO, DISCO_ITEMS, PING


@pytest.fixture
def world() -> World:
    world = World("example.org", modules=(*IM, ServiceDiscovery, Ping))
    world.befriend("juliet@example.org", "romeo@example.org")
    return world


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login("romeo@example.org/orchard")


def query(kind: str, node: str = "") -> str:
    return f"<query xmlns='http://jabber.org/protocol/disco#{kind}'" + (f" node='{node}'/>" if node else "/>")


@pytest.mark.parametrize("kind", ["info", "items"])
@pytest.mark.parametrize("to", ["example.org", "romeo@example.org", "juliet@example.org"])
def test_an_unknown_node_is_not_found(romeo: Client, kind: str, to: str) -> None:
    """§7."""
    assert condition(romeo.asks("get", query(kind, "nonesuch"), to)) == "item-not-found"


@pytest.mark.parametrize("node", ["", "nonesuch"])
@pytest.mark.parametrize("to", ["tybalt@example.org", "nobody@example.org"])
def test_strangers_learn_nothing_not_even_who_exists(world: World, romeo: Client, to: str, node: str) -> None:
    """§8."""
    world.create("tybalt@example.org")
    assert condition(romeo.asks("get", query("info", node), to)) == "service-unavailable"
    answer = romeo.asks("get", query("items", node), to).find("query", DISCO_ITEMS)
    assert answer is not None
    assert list(answer.elements()) == []


def test_the_server_tells_its_features(romeo: Client) -> None:
    answer = romeo.asks("get", query("info"), "example.org").find("query", DISCO_INFO)
    assert answer is not None
    [identity] = answer.findall("identity", DISCO_INFO)
    assert (identity.get("category"), identity.get("type")) == ("server", "im")
    assert {PING, DISCO_INFO, DISCO_ITEMS, CAPS} <= {one.get("var") for one in answer.findall("feature", DISCO_INFO)}


def test_the_announced_capabilities_can_be_asked_for(world: World, romeo: Client) -> None:
    """XEP-0115 §6.3."""
    announced = [one for one in world.host.hooks.stream_features.gather([]) if one.ns == CAPS]
    node = f"{CAPS_NODE}#{announced[0].get('ver')}"
    answer = romeo.asks("get", query("info", node), "example.org").find("query", DISCO_INFO)
    assert answer is not None
    assert answer.get("node") == node
    assert verification_string(answer) == announced[0].get("ver")


@pytest.mark.parametrize("who", ["juliet@example.org/hall", "romeo@example.org/orchard"])
def test_the_items_of_an_account_are_its_available_resources(world: World, who: str) -> None:
    """§4.1: one that hides is none."""
    world.online("juliet@example.org/balcony")
    world.online("juliet@example.org/chamber", "<presence><priority>-1</priority></presence>")
    answer = world.login(who).asks("get", query("items"), "juliet@example.org").find("query", DISCO_ITEMS)
    assert answer is not None
    assert [one.get("jid") for one in answer.elements()] == ["juliet@example.org/balcony", "juliet@example.org/chamber"]


@pytest.mark.parametrize("to", ["romeo@example.org", "juliet@example.org"])
def test_accounts_answer_their_owners_and_those_who_may_see_them(romeo: Client, to: str) -> None:
    answer = romeo.asks("get", query("info"), to).find("query", DISCO_INFO)
    assert answer is not None
    [identity] = answer.findall("identity", DISCO_INFO)
    assert (identity.get("category"), identity.get("type")) == ("account", "registered")
