"""Presence probes: who may know is told, and nobody else learns anything (RFC 6121 §4.3.2)."""

import pytest

from tests.im.test_presence import MODULES, kinds
from tests.world import World


@pytest.fixture
def world() -> World:
    return World("example.com", "example.net", modules=MODULES)


class TestProbes:
    """RFC 6121 §4.3.2."""

    def ask(self, world: World, sender: str, to: str = "juliet@example.com") -> list[tuple[str | None, ...]]:
        remote = world.remote("shakespeare.lit")
        remote.hears()
        remote.says(f"<presence id='p' from='{sender}' to='{to}' type='probe'/>")
        return [tuple(map(element.get, ("from", "to", "type"))) for element in remote.hears()]

    def test_a_subscriber_gets_all_resources(self, world: World) -> None:
        world.contact("juliet@example.com", "nurse@shakespeare.lit", "from")
        world.remote("shakespeare.lit")
        world.online("juliet@example.com/balcony")
        world.online("juliet@example.com/chamber", "<presence><priority>-1</priority></presence>")
        world.login("juliet@example.com/silent")
        assert self.ask(world, "nurse@shakespeare.lit") == [
            ("juliet@example.com/balcony", "nurse@shakespeare.lit", None),
            ("juliet@example.com/chamber", "nurse@shakespeare.lit", None),
        ]

    def test_a_subscriber_is_told_that_nobody_is_there(self, world: World) -> None:
        world.contact("juliet@example.com", "nurse@shakespeare.lit", "both")
        assert self.ask(world, "nurse@shakespeare.lit/home") == [
            ("juliet@example.com", "nurse@shakespeare.lit/home", "unavailable")
        ]

    @pytest.mark.parametrize("subscription", ["none", "to", None])
    def test_nobody_else_learns_anything(self, world: World, subscription: str | None) -> None:
        if subscription is not None:
            world.contact("juliet@example.com", "nurse@shakespeare.lit", subscription)
        world.remote("shakespeare.lit")
        world.online("juliet@example.com/balcony")
        answer = self.ask(world, "nurse@shakespeare.lit/home")
        assert answer == [("juliet@example.com", "nurse@shakespeare.lit", "unsubscribed")]

    def test_nobody_answers_like_a_stranger(self, world: World) -> None:
        """§4.3.2: or the answers would tell which accounts there are."""
        answer = self.ask(world, "nurse@shakespeare.lit/home", "nobody@example.com")
        assert answer == [("nobody@example.com", "nurse@shakespeare.lit", "unsubscribed")]

    def test_ones_own_resources_may_ask(self, world: World) -> None:
        world.online("juliet@example.com/balcony")
        chamber = world.login("juliet@example.com/chamber")
        chamber.says("<presence type='probe' to='juliet@example.com'/>")
        assert kinds(chamber.hears()) == [("juliet@example.com/balcony", None)]
