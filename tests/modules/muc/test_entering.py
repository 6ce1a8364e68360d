"""XEP-0045 §7.2: entering a room, with every reason not to be let in."""

from __future__ import annotations

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven, codes, item


def test_the_founder_enters_a_locked_room(coven: Coven) -> None:
    # §10.1.1
    owner = coven.enters(CRONE, "firstwitch")
    [presence, subject] = owner.hears()
    assert presence.get("from") == f"{ROOM}/firstwitch"
    assert codes(presence) == {"110", "201"}
    assert (item(presence).get("affiliation"), item(presence).get("role")) == ("owner", "moderator")
    assert subject.get("type") == "groupchat"
    hag = coven.enters(HAG, "thirdwitch")
    assert condition(hag.hears()[0]) == "item-not-found"  # §7.2.10
    assert coven.configures().get("type") == "result"
    coven.enters(HAG, "thirdwitch")
    assert [one.get("from") for one in hag.hears()] == [f"{ROOM}/firstwitch", f"{ROOM}/thirdwitch", ROOM]


def test_others_are_told(coven: Coven) -> None:
    # §7.2.2, §7.2.4: in a semi-anonymous room moderators alone see who it is
    owner = coven.founded()
    coven.enters(HAG, "thirdwitch")
    [presence] = owner.hears()
    assert item(presence).get("jid") == HAG
    wicca = coven.enters(WICCA, "secondwitch")
    first, third, own, _ = wicca.hears()
    assert item(first).get("jid") is None
    assert item(third).get("jid") is None
    assert item(own).get("jid") == WICCA
