"""RFC 6121 §2.6.3: who comes back with a version is told what changed since, where that is less than the roster."""

from __future__ import annotations

import pytest

from tests.world import Client, World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster, RosterConfig
from xmpp_server.im.roster_history import CONTACTS
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import ROSTER

JULIET = "juliet@example.com"
FRIENDS = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def world() -> World:
    world = World("example.com", modules=(Delivery, Roster, Presence))
    for name in FRIENDS:
        world.contact(JULIET, f"{name}@x.org", "both")
    return world


@pytest.fixture
def balcony(world: World) -> Client:
    return world.online(f"{JULIET}/balcony")


def get(version: str) -> str:
    return f"<iq type='get' id='get'><query xmlns='{ROSTER}' ver='{version}'/></iq>"


def change(contact: str, attrs: str = "") -> str:
    return f"<iq type='set' id='set'><query xmlns='{ROSTER}'><item jid='{contact}@x.org' {attrs}/></query></iq>"


def version_of(client: Client) -> str:
    client.says(get(""))
    query = client.hears()[-1].first
    assert query is not None
    return query.attrs["ver"]


def what(element: Element) -> tuple[str, str, list[str]]:
    """The type of an answer or a push, its version, and its items as they are named."""
    query = element.first
    if query is None:
        return element.attrs["type"], "", []
    items = [item.get("name") or item.attrs["subscription"] for item in query.elements()]
    return element.attrs["type"], query.attrs["ver"], items


def answers(client: Client, version: str) -> list[tuple[str, str, list[str]]]:
    client.says(get(version))
    return [what(element) for element in client.hears()]


def changes(client: Client, *wishes: str) -> None:
    for wish in wishes:
        client.says(wish)
    client.hears()


def test_pushes_in_order_behind_an_empty_answer(world: World, balcony: Client) -> None:
    known = int(version_of(balcony))
    changes(balcony, change("a", "name='A'"), change("b", "subscription='remove'"), change("a", "name='Ah'"))
    chamber = world.login(f"{JULIET}/chamber")
    assert answers(chamber, str(known)) == [
        ("result", "", []),
        ("set", str(known + 2), ["remove"]),
        ("set", str(known + 3), ["Ah"]),
    ]
    assert answers(chamber, str(known + 2)) == [("result", "", []), ("set", str(known + 3), ["Ah"])]
    assert answers(chamber, str(known + 3)) == [("result", "", [])]
    # From then on it hears of changes like any other.
    changes(balcony, change("c", "name='C'"))
    assert [what(push) for push in chamber.hears()] == [("set", str(known + 4), ["C"])]


def test_pushes_have_ids_of_their_own(world: World, balcony: Client) -> None:
    known = version_of(balcony)
    changes(balcony, change("a", "name='A'"), change("b", "name='B'"))
    chamber = world.login(f"{JULIET}/chamber")
    chamber.says(get(known))
    assert len({element.get("id") for element in chamber.hears()}) == 3


def test_a_change_that_comes_between_waits_for_its_turn(world: World, balcony: Client) -> None:
    known = int(version_of(balcony))
    changes(balcony, change("a", "name='A'"))
    chamber = world.login(f"{JULIET}/chamber")
    chamber.says(get(str(known)), change("b", "name='B'"))
    heard = [what(element) for element in chamber.hears()]
    assert heard[0] == ("result", "", [])
    assert [one for one in heard if one[0] == "set"] == [("set", str(known + 1), ["A"]), ("set", str(known + 2), ["B"])]


def test_where_the_whole_roster_is_less_it_is_sent(world: World, balcony: Client) -> None:
    known = version_of(balcony)
    changes(balcony, change("a", "name='A'"), change("b", "name='B'"), change("c", "name='C'"))
    [(kind, version, items)] = answers(world.login(f"{JULIET}/chamber"), known)
    assert (kind, version, len(items)) == ("result", version_of(balcony), len(FRIENDS))


@pytest.mark.parametrize("version", ["", "0", "-1", "01", "x", "٣", "999", "7-x", "9" * 5000])
def test_a_version_that_is_not_known_gets_the_whole_roster(world: World, balcony: Client, version: str) -> None:
    changes(balcony, change("a", "name='A'"))
    [(kind, _, items)] = answers(world.login(f"{JULIET}/chamber"), version)
    assert (kind, len(items)) == ("result", len(FRIENDS))


def test_what_was_before_the_account_was_loaded_is_not_known(world: World, balcony: Client) -> None:
    known = version_of(balcony)
    changes(balcony, change("a", "name='A'"))
    world.host.accounts.forget("juliet")
    [(kind, _, items)] = answers(world.login(f"{JULIET}/chamber"), known)
    assert (kind, len(items)) == ("result", len(FRIENDS))


def test_who_is_too_far_behind_gets_the_whole_roster(world: World, balcony: Client) -> None:
    for number in range(3 * CONTACTS):
        changes(balcony, change(f"n{number}"))
    known = int(version_of(balcony)) - CONTACTS
    changes(balcony, change("a", "name='A'"))
    chamber = world.login(f"{JULIET}/chamber")
    assert [kind for kind, _, _ in answers(chamber, str(known + 1))] == ["result"] + ["set"] * CONTACTS
    [(kind, _, items)] = answers(chamber, str(known))
    assert (kind, len(items)) == ("result", len(FRIENDS) + 3 * CONTACTS)


def test_shared_groups_are_part_of_the_version() -> None:
    config = RosterConfig(groups={"House": [f"{name}@x.org" for name in FRIENDS]})
    world = World("x.org", modules=(Delivery, lambda: Roster(config), Presence))
    desk = world.online("a@x.org/desk")
    known = version_of(desk)
    number, _, groups = known.partition("-")
    changes(desk, change("b", "name='B'"))
    phone = world.login("a@x.org/phone")
    assert answers(phone, known) == [("result", "", []), ("set", f"{int(number) + 1}-{groups}", ["B"])]
    [(kind, _, items)] = answers(phone, f"{number}-other")
    assert (kind, len(items)) == ("result", 5)
