"""XEP-0045 §7.2: entering a room, with every reason not to be let in (§7.2.17)."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, ENTRY, HAG, ROOM, SERVICE, WICCA, Coven, codes, item, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC


def refused(coven: Coven, jid: str, nick: str, inside: str = "") -> str:
    """Why somebody is not let in."""
    [answer] = coven.enters(jid, nick, inside).hears()
    assert answer.get("from") == f"{ROOM}/{nick}"
    assert answer.find("x", MUC) == Element("x", MUC)  # no password comes back
    error = answer.find("error", CLIENT)
    assert error is not None
    assert error.get("by") == ROOM
    return condition(answer)


def test_the_founder_enters_a_locked_room(coven: Coven) -> None:
    # §10.1.1
    owner = coven.enters(CRONE, "firstwitch")
    [presence, subject] = owner.hears()
    assert presence.get("from") == f"{ROOM}/firstwitch"
    assert codes(presence) == {"110", "201"}
    assert (item(presence).get("affiliation"), item(presence).get("role")) == ("owner", "moderator")
    assert subject.get("type") == "groupchat"
    assert refused(coven, HAG, "thirdwitch") == "item-not-found"  # §7.2.10
    assert coven.configures().get("type") == "result"
    hag = coven.enters(HAG, "thirdwitch")
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


def test_a_room_without_anonymity_says_so(coven: Coven) -> None:
    # §7.2.3, §7.2.12
    coven.founded(whois="anyone", enablelogging="1")
    hag = coven.enters(HAG, "thirdwitch")
    first, own, _ = hag.hears()
    assert item(first).get("jid") == CRONE
    assert codes(own) == {"100", "110", "170"}


def test_no_nickname(coven: Coven) -> None:
    # §7.2.1
    coven.founded()
    hag = coven.client(HAG)
    hag.says(f"<presence to='{ROOM}'>{ENTRY}</presence>")
    assert condition(hag.hears()[0]) == "jid-malformed"
    assert refused(coven, HAG, " ") == "jid-malformed"
    assert refused(coven, HAG, "x" * 101) == "not-acceptable"


def test_an_invisible_nickname_makes_no_room(coven: Coven) -> None:
    [answer] = coven.enters(HAG, " ").hears()
    assert condition(answer) == "jid-malformed"
    assert coven.muc.rooms.get("coven") is None


def test_passwords(coven: Coven) -> None:
    # §7.2.5
    coven.founded(passwordprotectedroom="1", roomsecret="cauldronburn")
    assert refused(coven, HAG, "thirdwitch") == "not-authorized"
    assert refused(coven, HAG, "thirdwitch", "<password>cauldron</password>") == "not-authorized"
    hag = coven.enters(HAG, "thirdwitch", "<password>cauldronburn</password>")
    assert codes(hag.hears()[1]) == {"110"}


def test_members_only(coven: Coven) -> None:
    # §7.2.6
    coven.founded(membersonly="1")
    assert refused(coven, HAG, "thirdwitch") == "registration-required"
    coven.administers(CRONE, f"<item affiliation='member' jid='{HAG}'/>")
    coven.quiet()
    assert len(coven.enters(HAG, "thirdwitch").hears()) == 3


def test_outcasts(coven: Coven) -> None:
    # §7.2.7, §9.2: a ban of a domain is one of all its users
    coven.founded()
    coven.administers(CRONE, "<item affiliation='outcast' jid='hag66@example.org'/>")
    assert refused(coven, HAG, "thirdwitch") == "forbidden"
    coven.administers(CRONE, "<item affiliation='none' jid='hag66@example.org'/>")
    coven.administers(CRONE, "<item affiliation='outcast' jid='example.org'/>")
    assert refused(coven, HAG, "thirdwitch") == "forbidden"


@pytest.mark.parametrize("nick", ["secondwitch", "SecondWitch", " secondwitch", "\uff53econdwitch"])
def test_nickname_conflict(coven: Coven, nick: str) -> None:
    # §7.2.8, by RFC 8266 §2.4
    coven.founded()
    coven.enters(WICCA, "secondwitch")
    coven.quiet()
    assert refused(coven, HAG, nick) == "conflict"


def test_a_reserved_nickname(coven: Coven) -> None:
    coven.founded()
    coven.administers(CRONE, "<item affiliation='member' jid='wiccarocks@example.org' nick='secondwitch'/>")
    assert refused(coven, HAG, "secondwitch") == "conflict"
    assert len(coven.enters(WICCA, "secondwitch").hears()) == 3


def test_full_rooms(coven: Coven) -> None:
    # §7.2.9: admins are let in
    coven.founded(maxusers="1")
    coven.administers(CRONE, "<item affiliation='admin' jid='wiccarocks@example.org'/>")
    assert refused(coven, HAG, "thirdwitch") == "service-unavailable"
    assert len(coven.enters(WICCA, "secondwitch").hears()) == 3


def test_locked_down_nicknames(coven: Coven) -> None:
    # §7.2.2, §7.10
    coven.founded(**{"x-muc#roomconfig_reservednick": "1"})
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org' nick='thirdwitch'/>")
    hag = coven.enters(HAG, "oldhag")
    own = hag.hears()[1]
    assert own.get("from") == f"{ROOM}/thirdwitch"
    assert codes(own) == {"110", "210"}


def test_presence_from_outside_is_no_entry(coven: Coven) -> None:
    # §7.2.18: the client believes to be in the room; whether there is one does not matter
    for founded in (False, True):
        if founded:
            coven.founded()
        hag = coven.client(HAG)
        hag.says(f"<presence to='{ROOM}/thirdwitch'/>")
        [presence] = hag.hears()
        assert presence.get("type") == "unavailable"
        assert codes(presence) == {"110", "307", "333"}


def test_a_client_that_lost_track_gets_everything_again(coven: Coven) -> None:
    # §7.2.1, §17.3
    owner = coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    before = hag.hears()
    owner.hears()
    assert coven.enters(HAG, "thirdwitch").hears() == before
    assert not owner.hears()  # nothing has changed
    hag.says(f"<presence to='{ROOM}/thirdwitch'><show>away</show>{ENTRY}</presence>")
    assert len(hag.hears()) == 3
    assert [one.get("from") for one in owner.hears()] == [f"{ROOM}/thirdwitch"]


def test_two_clients_under_one_nickname(coven: Coven) -> None:
    # §7.2.8
    owner = coven.founded()
    coven.enters(HAG, "thirdwitch")
    phone = coven.enters("hag66@example.org/phone", "ThirdWitch")
    assert [one.get("from") for one in phone.hears()] == [f"{ROOM}/firstwitch", f"{ROOM}/thirdwitch", ROOM]
    coven.quiet()
    phone.says(f"<message to='{ROOM}' type='groupchat'><body>hi</body></message>")
    assert [client.hears()[0].get("from") for client in (owner, coven.client(HAG), phone)] == [f"{ROOM}/thirdwitch"] * 3
    phone.says(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
    assert [one.get("type") for one in phone.hears()] == ["unavailable"]
    assert [one.get("type") for one in owner.hears()] == [None]  # the other client is still there
    coven.client(HAG).leaves()
    assert [one.get("type") for one in owner.hears()] == ["unavailable"]


def test_what_the_room_alone_says_is_not_reflected(coven: Coven) -> None:
    # §17.3, XEP-0421 §4
    owner = coven.founded()
    hag = coven.client(HAG)
    hag.says(
        f"<presence to='{ROOM}/thirdwitch'><show>away</show>{ENTRY}"
        "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'/></x>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></presence>"
    )
    [presence] = owner.hears()
    assert [child.name for child in presence.elements()] == ["show", "x", "occupant-id"]
    assert item(presence).get("affiliation") == "none"


def test_who_may_make_rooms() -> None:
    # §10.1.1
    coven = Coven(make_world(MucConfig(domain=SERVICE, create="admins")))
    assert refused(coven, HAG, "thirdwitch") == "not-allowed"
    assert len(coven.enters("admin@example.org/desk", "boss").hears()) == 2
    coven = Coven(make_world(MucConfig(domain=SERVICE, rooms_per_account=1)))
    coven.founded()
    [answer] = coven.enters(CRONE, "firstwitch", room=f"heath@{SERVICE}").hears()
    assert condition(answer) == "resource-constraint"


def test_the_people_of_one_server_make_only_so_many_rooms() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, rooms_per_server=2)))
    evil = coven.world.remote("evil.example")
    for number in range(3):
        room = f"room{number}@{SERVICE}"
        evil.says(f"<presence from='user{number}@evil.example/x' to='{room}/nick'>{ENTRY}</presence>")
    *_, last = evil.hears()
    assert condition(last) == "resource-constraint"
    assert len(coven.muc.rooms.open_rooms()) == 2
    evil.says(f"<presence type='unavailable' from='user0@evil.example/x' to='room0@{SERVICE}/nick'/>")
    evil.says(f"<presence from='user2@evil.example/x' to='room2@{SERVICE}/nick'>{ENTRY}</presence>")
    assert evil.hears()[-1].name == "message"
    coven.founded()  # others do


def test_too_much_presence(coven: Coven) -> None:
    coven.founded()
    hag = coven.client(HAG)
    hag.says(f"<presence to='{ROOM}/thirdwitch'><status>{'x' * 9000}</status>{ENTRY}</presence>")
    assert condition(hag.hears()[0]) == "policy-violation"


def test_a_room_that_is_never_configured_expires(coven: Coven) -> None:
    # §10.1.1, §14.6
    owner = coven.enters(CRONE, "firstwitch")
    owner.hears()
    coven.world.passes(601)
    [presence] = owner.hears()
    assert presence.get("type") == "unavailable"
    assert coven.muc.rooms.get("coven") is None


def test_who_enters_again_and_again_waits(coven: Coven) -> None:
    """Each time everybody is told, and the history is sent: it takes less to ask for than to do."""
    coven = Coven(make_world(MucConfig(domain=SERVICE, entries_per_minute=2)))
    coven.founded()
    for _ in range(2):
        assert len(coven.enters(HAG, "thirdwitch").hears()) == 3
    [answer] = coven.enters(HAG, "thirdwitch").hears()
    assert condition(answer) == "policy-violation"
    assert len(coven.enters(WICCA, "secondwitch").hears()) == 4
    coven.quiet()
    coven.world.passes(30)
    assert len(coven.enters(HAG, "thirdwitch").hears()) == 4
