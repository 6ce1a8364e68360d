"""Directed presence: who has got it is told of the end (RFC 6121 §4.6)."""

import pytest

from tests.im.test_presence import MODULES, condition, kinds
from tests.transcript import play
from tests.world import World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import Presence, PresenceConfig
from xmpp_server.im.roster import Roster


@pytest.fixture
def world() -> World:
    return World("example.com", "example.net", modules=MODULES)


class TestDirected:
    """RFC 6121 §4.6."""

    def test_recipients_are_told_of_the_end_once_each(self, world: World) -> None:
        world.befriend("juliet@example.com", "romeo@example.net")
        world.remote("rooms.test")
        world.online("romeo@example.net/orchard")
        world.online("juliet@example.com/balcony")
        world.online("mercutio@example.com/street")
        world.clients["romeo@example.net/orchard"].hears()
        play(
            world,
            """
            juliet@example.com/balcony > <presence to='hall@rooms.test/J'/>
            juliet@example.com/balcony > <presence to='left@rooms.test/J'/>
            juliet@example.com/balcony > <presence to='left@rooms.test/J' type='unavailable'/>
            juliet@example.com/balcony > <presence to='mercutio@example.com/street'/>
            juliet@example.com/balcony > <presence to='romeo@example.net/orchard'><status>you</status></presence>
            shakespeare.lit < nothing
            rooms.test < <presence from='juliet@example.com/balcony' to='hall@rooms.test/J'/>
            rooms.test < <presence from='juliet@example.com/balcony' to='left@rooms.test/J'/>
            rooms.test < <presence from='juliet@example.com/balcony' to='left@rooms.test/J' type='unavailable'/>
            mercutio@example.com/street < <presence from='juliet@example.com/balcony' to='mercutio@example.com/street'/>
            romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net/orchard'>
              <status>you</status></presence>
            # an update is for subscribers only
            juliet@example.com/balcony > <presence><show>dnd</show></presence>
            juliet@example.com/balcony < anything
            romeo@example.net/orchard < anything
            mercutio@example.com/street < nothing
            rooms.test < nothing
            juliet@example.com/balcony > <presence type='unavailable'/>
            rooms.test < <presence from='juliet@example.com/balcony' to='hall@rooms.test/J' type='unavailable'/>
            mercutio@example.com/street < <presence from='juliet@example.com/balcony' to='mercutio@example.com/street'
              type='unavailable'/>
            romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'
              type='unavailable'/>
            juliet@example.com/balcony leaves
            """,
        )

    def test_a_resource_that_never_was_available(self, world: World) -> None:
        world.befriend("juliet@example.com", "benvolio@example.com")
        benvolio = world.online("benvolio@example.com/street")
        juliet = world.login("juliet@example.com/balcony")
        juliet.says("<presence to='benvolio@example.com'/>")
        assert kinds(benvolio.hears()) == [("juliet@example.com/balcony", None)]
        juliet.drops()
        assert kinds(benvolio.hears()) == [("juliet@example.com/balcony", "unavailable")]

    def test_an_error_ends_it(self, world: World) -> None:
        rooms = world.remote("rooms.test")
        juliet = world.login("juliet@example.com/balcony")
        juliet.says("<presence to='hall@rooms.test/J'/>")
        rooms.hears()
        rooms.says(
            "<presence type='error' from='hall@rooms.test/J' to='juliet@example.com/balcony'>"
            "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        )
        assert kinds(juliet.hears()) == [("hall@rooms.test/J", "error")]
        juliet.leaves()
        assert rooms.hears() == []

    def test_memory_is_bounded(self) -> None:
        world = World(modules=(Delivery, Roster, lambda: Presence(PresenceConfig(directed_limit=2))))
        rooms = world.remote("rooms.test")
        juliet = world.login("juliet@example.org/balcony")
        juliet.says("<presence to='a@rooms.test'/>", "<presence to='b@rooms.test'/>", "<presence to='a@rooms.test'/>")
        assert juliet.hears() == []
        juliet.says("<presence to='c@rooms.test'/>")
        assert condition(juliet.hears()) == "resource-constraint"
        juliet.says("<presence to='a@rooms.test' type='unavailable'/>", "<presence to='c@rooms.test'/>")
        rooms.hears()
        juliet.drops()
        assert [element.get("to") for element in rooms.hears()] == ["b@rooms.test", "c@rooms.test"]
