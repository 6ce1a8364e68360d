"""Messages that the store has not taken yet, or could not take: nobody is told too early, and nothing is lost."""

from collections.abc import Callable

import pytest

from tests.im.test_offline import CHAT, JULIET, bodies, come, enable_sm, offline_world, stored
from tests.world import Client, World
from xmpp_server.im.offline import GIVE_UP_S, RETRY_S
from xmpp_server.jid import JID
from xmpp_server.storage.api import StorageFullError


@pytest.fixture
def world() -> World:
    return offline_world()


async def test_a_failed_write_that_nobody_misses_is_no_error(world: World) -> None:
    """The client has acknowledged the message before the store has said that it cannot keep it."""
    romeo, juliet = world.login("romeo@example.org/home"), world.login("juliet@example.org/balcony")
    come(juliet)
    for client in (romeo, juliet):
        enable_sm(client)
    world.storage.hold()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    world.passes(3)
    assert juliet.account.offline_count == 1
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    world.release(StorageFullError("no space"))
    assert romeo.hears() == []
    assert juliet.account.offline_count == 0


def unwritten(world: World) -> tuple[Client, Client]:
    """A message for a lost session that the store has just refused; nobody has been told anything."""
    romeo, juliet = world.login("romeo@example.org/home"), world.login("juliet@example.org/balcony")
    come(juliet)
    for client in (romeo, juliet):
        enable_sm(client)
    juliet.drops()
    refused(world, lambda: romeo.says(CHAT.format(to=JULIET, id="m"), "<r xmlns='urn:xmpp:sm:3'/>"))
    assert romeo.hears() == []
    return romeo, juliet


def refused(world: World, action: Callable[[], None]) -> None:
    """Do something while the store takes nothing."""
    world.storage.hold()
    action()
    world.release(StorageFullError("no space"))


def names(client: Client) -> list[str]:
    """What a client has heard: errors for messages, and that the server has its first stanza."""
    heard = [one for one in client.hears() if one.name == "message" or (one.name, one.get("h")) == ("a", "1")]
    return [one.name if one.name == "a" else f"{one.get('type')} {one.get('id')}" for one in heard]


async def test_no_error_for_what_a_lost_session_still_gets(world: World) -> None:
    romeo, juliet = unwritten(world)
    juliet.resumes()
    assert bodies(juliet.hears()) == ["m"]
    assert names(romeo) == []
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert names(romeo) == ["a"]
    assert (stored(world), juliet.account.offline_count) == ([], 0)


async def test_what_could_not_be_written_is_tried_again(world: World) -> None:
    romeo, juliet = unwritten(world)
    refused(world, lambda: world.passes(RETRY_S))
    assert (names(romeo), stored(world)) == ([], [])
    world.passes(RETRY_S)
    assert names(romeo) == ["a"]
    assert (stored(world), juliet.account.offline_count) == (["m"], 1)
    juliet.resumes()
    juliet.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert (stored(world), juliet.account.offline_count) == ([], 0)


async def test_what_could_not_be_written_is_written_when_its_session_ends(world: World) -> None:
    romeo, juliet = unwritten(world)
    juliet.leaves()
    assert names(romeo) == ["a"]
    assert (stored(world), juliet.account.offline_count) == (["m"], 1)


async def test_its_sender_is_told_when_nobody_has_it_any_more(world: World) -> None:
    romeo, juliet = unwritten(world)
    refused(world, juliet.leaves)
    assert names(romeo) == ["error m", "a"]
    assert (stored(world), juliet.account.offline_count) == ([], 0)


async def test_its_sender_is_told_after_a_while(world: World) -> None:
    romeo, juliet = unwritten(world)
    for _ in range(int(GIVE_UP_S / RETRY_S) - 1):
        refused(world, lambda: world.passes(RETRY_S))
    assert names(romeo) == []
    refused(world, lambda: world.passes(RETRY_S))
    assert names(romeo) == ["error m", "a"]
    assert juliet.account.offline_count == 0


async def test_its_sender_is_told_when_the_server_stops(world: World) -> None:
    romeo, juliet = unwritten(world)
    world.host.hooks.stopping.fire(None)
    refused(world, juliet.session.suspend)
    assert names(romeo) == ["error m", "a"]


async def test_it_goes_to_another_session_that_comes(world: World) -> None:
    romeo, juliet = unwritten(world)
    world.passes(1)
    chamber = world.login("juliet@example.org/chamber")
    come(chamber)
    assert chamber.hears() == []
    juliet.leaves()
    assert bodies(chamber.hears()) == ["m"]
    assert names(romeo) == ["a"]
    assert (stored(world), chamber.account.offline_count) == ([], 0)


async def test_it_is_forgotten_with_its_account(world: World) -> None:
    romeo, _ = unwritten(world)
    world.run(world.host.provisioning.delete(JID.parse(JULIET)))
    assert names(romeo)[-1:] == ["a"]
    world.passes(RETRY_S)


async def test_who_comes_while_a_message_is_written_gets_it(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    world.storage.hold()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    juliet = world.login("juliet@example.org/balcony")
    come(juliet)
    assert juliet.hears() == []
    world.release()
    assert bodies(juliet.hears()) == ["m"]
    assert (stored(world), juliet.account.offline_count) == ([], 0)


async def test_a_stored_message_that_is_being_removed_is_not_given_again(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(CHAT.format(to=JULIET, id="m"))
    world.storage.hold()
    romeo.says(CHAT.format(to=JULIET, id="n"))
    juliet = world.login("juliet@example.org/balcony")
    come(juliet)
    juliet.session.set_presence(None)
    come(juliet)
    world.release()
    assert bodies(juliet.hears()) == ["m", "n"]
