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


def test_who_comes_back_stays_and_sees_the_others_go(coven: Coven) -> None:
    owner = coven.founded(persistentroom="1")
    for jid, nick in (HAG, "hag"), (WICCA, "wicca"):
        coven.enters(jid, nick)
    coven.quiet()
    coven.world.host.sessions.manage(owner.session, resume=True, max_s=None)
    coven.world.host.hooks.stopping.fire(None)
    heard = owner.hears()
    assert [one.get("from") for one in heard] == [f"{ROOM}/hag", f"{ROOM}/wicca"]
    assert all(codes(one) == {"332"} for one in heard)
    assert [occupant.nick for occupant in coven.open().room.occupants] == ["firstwitch"]
    assert len(coven.client(HAG).hears()) == 1
