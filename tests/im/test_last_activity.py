"""XEP-0012 of accounts, resources and the server."""

import pytest

from tests.world import Client, World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.last_activity import DOCUMENT, LastActivity
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import LAST

QUERY = f"<query xmlns='{LAST}'/>"
MODULES = (Delivery, Roster, Presence, LastActivity)


@pytest.fixture
def world() -> World:
    world = World(modules=MODULES)
    world.befriend("romeo@example.org", "juliet@example.org")
    return world


@pytest.fixture
def romeo(world: World) -> Client:
    return world.online("romeo@example.org/orchard")


def last(answer: Element) -> tuple[str | None, str]:
    assert answer.first is not None
    return answer.first.get("seconds"), answer.first.text


def condition(answer: Element) -> str:
    error = answer.find("error", "jabber:client")
    assert error is not None
    assert error.first is not None
    return error.first.name


def test_the_uptime_of_the_server(world: World, romeo: Client) -> None:
    world.passes(123.9)
    assert last(romeo.asks("get", QUERY, "example.org")) == ("123", "")


def test_an_account_that_has_gone(world: World, romeo: Client) -> None:
    juliet = world.online("juliet@example.org/balcony")
    romeo.hears()
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("0", "")
    juliet.says("<presence type='unavailable'><status>Good &lt;night&gt;</status></presence>")
    juliet.leaves()
    romeo.hears()
    world.passes(903)
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("903", "Good <night>")


def test_one_that_hides_is_not_there(world: World, romeo: Client) -> None:
    world.login("juliet@example.org/balcony")
    world.passes(7)
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("7", "")


def test_it_is_remembered_over_a_restart(world: World, romeo: Client) -> None:
    world.online("juliet@example.org/balcony").leaves()
    world.passes(60)
    world.host.accounts.forget("juliet")
    romeo.hears()
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("60", "")


def test_only_the_last_resource_counts(world: World, romeo: Client) -> None:
    balcony, chamber = world.online("juliet@example.org/balcony"), world.online("juliet@example.org/chamber")
    balcony.leaves()
    assert world.run(world.storage.documents.all(balcony.account.jid, DOCUMENT)) == {}
    chamber.leaves()
    assert len(world.run(world.storage.documents.all(balcony.account.jid, DOCUMENT))) == 1


def test_somebody_who_never_came_and_a_broken_document(world: World, romeo: Client) -> None:
    world.passes(5)
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("5", "")
    world.host.accounts.forget("juliet")
    world.storage.documents.put(JID.parse("juliet@example.org"), DOCUMENT, "", b"\xffyesterday")
    assert last(romeo.asks("get", QUERY, "juliet@example.org")) == ("5", "")


@pytest.mark.parametrize("to", ["juliet@example.org", "nobody@example.org"])
def test_strangers_learn_nothing_of_accounts(world: World, to: str) -> None:
    stranger = world.online("stranger@example.org/x")
    world.online("juliet@example.org/balcony")
    assert condition(stranger.asks("get", QUERY, to)) == "forbidden"


@pytest.mark.parametrize("to", ["juliet@example.org/balcony", "juliet@example.org/x", "nobody@example.org/x"])
def test_strangers_learn_nothing_of_resources(world: World, to: str) -> None:
    stranger, juliet = world.online("stranger@example.org/x"), world.online("juliet@example.org/balcony")
    assert condition(stranger.asks("get", QUERY, to)) == "service-unavailable"
    assert juliet.hears() == []


def test_friends_ask_resources_themselves(world: World, romeo: Client) -> None:
    juliet = world.online("juliet@example.org/balcony")
    romeo.says(f"<iq type='get' id='1' to='juliet@example.org/balcony'>{QUERY}</iq>")
    [question] = juliet.hears()
    assert question.first == Element("query", LAST)


def test_anonymous_accounts_leave_nothing_behind(world: World) -> None:
    bare = JID.parse("anon@example.org")
    world.host.accounts.add_anonymous(bare)
    world.online("anon@example.org/x").leaves()
    assert world.run(world.storage.documents.all(bare, DOCUMENT)) == {}
