"""Status 332: the service stops."""

from __future__ import annotations

from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven, codes, item


def test_everybody_hears_of_its_own_going(coven: Coven) -> None:
    clients = [coven.founded(persistentroom="1"), coven.enters(HAG, "hag"), coven.enters(WICCA, "wicca")]
    coven.quiet()
    coven.world.host.hooks.stopping.fire(None)
    for client, nick in zip(clients, ("firstwitch", "hag", "wicca"), strict=True):
        [presence] = client.hears()
        assert (presence.get("type"), presence.get("from")) == ("unavailable", f"{ROOM}/{nick}")
        assert codes(presence) == {"110", "332"}
        assert item(presence).get("role") == "none"
    assert len(coven.open().room.occupants) == 0


def test_temporary_rooms_go(coven: Coven) -> None:
    coven.founded()
    coven.quiet()
    coven.world.host.hooks.stopping.fire(None)
    assert codes(coven.client(CRONE).hears()[0]) == {"110", "332"}
    assert coven.muc.rooms.get("coven") is None
