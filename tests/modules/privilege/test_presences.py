"""XEP-0356 §7, §8: presence of accounts and of their contacts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.privilege.conftest import COMPONENT, Scene
from tests.plugged import PluggedLine

JULIET = "juliet@capulet.lit"


def told(line: PluggedLine) -> list[tuple[str | None, str | None, str | None]]:
    """Whose presence a component was told: sender, recipient, type."""
    return [(one.get("from"), one.get("to"), one.get("type")) for one in line.hears() if one.name == "presence"]


class TestAccounts:
    """§7.1."""

    @pytest.mark.parametrize("grants", [("presence=managed_entity",), ("roster=get", "presence=roster")])
    def test_initial_and_unavailable_presence_only(self, scene: Callable[..., Scene], grants: tuple[str, ...]) -> None:
        stage = scene(*grants)
        line, other = stage.component.connects(), stage.other.connects()
        juliet = stage.world.login(f"{JULIET}/balcony")
        juliet.says("<presence/>", "<presence><show>away</show></presence>", "<presence type='unavailable'/>")
        assert told(line) == [
            (f"{JULIET}/balcony", COMPONENT, None),
            (f"{JULIET}/balcony", COMPONENT, "unavailable"),
        ]
        juliet.says("<presence/>")
        juliet.leaves()
        assert [kind for _, _, kind in told(line)] == [None, "unavailable"]
        assert told(other) == []

    def test_who_comes_late_is_told_all(self, scene: Callable[..., Scene]) -> None:
        stage = scene("presence=managed_entity")
        stage.world.online(f"{JULIET}/balcony", "<presence><show>chat</show></presence>")
        stage.world.login(f"{JULIET}/silent")
        line = stage.component.connects()
        assert told(line) == [(f"{JULIET}/balcony", COMPONENT, None)]

    def test_nothing_waits_for_who_is_away(self, scene: Callable[..., Scene]) -> None:
        stage = scene("presence=managed_entity")
        stage.component.connects().drops()
        stage.world.online(f"{JULIET}/balcony")
        assert stage.component.component.queued == 0


class TestContacts:
    """§7.4."""

    ROMEO = "romeo@montague.lit/o"

    @pytest.fixture
    def stage(self, scene: Callable[..., Scene]) -> Scene:
        stage = scene("roster=get", "presence=roster")
        stage.world.contact(JULIET, "romeo@montague.lit", "both")
        stage.world.contact("nurse@capulet.lit", "romeo@montague.lit", "to")
        stage.world.contact("tybalt@capulet.lit", "romeo@montague.lit", "from")
        return stage

    def presence(self, to: str, rest: str = "/>") -> str:
        return f"<presence from='{self.ROMEO}' to='{to}'{rest}"

    def test_each_once_also_for_accounts_that_are_offline(self, stage: Scene) -> None:
        line = stage.component.connects()
        romeo = stage.world.remote("montague.lit")
        romeo.says(self.presence(JULIET), self.presence("nurse@capulet.lit"))
        assert told(line) == [(self.ROMEO, COMPONENT, None)]
        romeo.says(self.presence(JULIET, "><show>away</show></presence>"))
        romeo.says(self.presence(JULIET, " type='unavailable'/>"))
        assert [kind for _, _, kind in told(line)] == [None, "unavailable"]

    def test_not_of_strangers_nor_subscriptions(self, stage: Scene) -> None:
        line = stage.component.connects()
        romeo = stage.world.remote("montague.lit")
        romeo.says(self.presence("tybalt@capulet.lit"), self.presence(JULIET, " type='probe'/>"))
        stage.world.create("paris@capulet.lit")
        romeo.says(self.presence("paris@capulet.lit"))
        assert told(line) == []

    def test_who_comes_late_is_told_who_is_there(self, stage: Scene) -> None:
        romeo = stage.world.remote("montague.lit")
        romeo.says(self.presence(JULIET), self.presence(JULIET).replace("/o'", "/gone'"))
        romeo.says(self.presence(JULIET, " type='unavailable'/>").replace("/o'", "/gone'"))
        assert told(stage.component.connects()) == [(self.ROMEO, COMPONENT, None)]

    def test_a_very_large_presence_is_passed_on_but_not_kept(self, stage: Scene) -> None:
        line = stage.component.connects()
        romeo = stage.world.remote("montague.lit")
        romeo.says(self.presence(JULIET, f"><status>{'x' * 9000}</status></presence>"))
        assert len(told(line)) == 1
        assert told(stage.component.connects()) == []

    def test_contacts_here_are_told_as_accounts(self, stage: Scene) -> None:
        line = stage.component.connects()
        stage.world.befriend(JULIET, "paris@capulet.lit")
        stage.world.online("paris@capulet.lit/x")
        stage.world.online(f"{JULIET}/balcony")
        assert [sender for sender, _, _ in told(line)] == ["paris@capulet.lit/x", f"{JULIET}/balcony"]
