"""XEP-0045 §7.6, §7.7, §7.14, §11.1: nicknames, availability, leaving, ghosts."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, ENTRY, HAG, ROOM, SERVICE, WICCA, Coven, codes, item, make_world
from tests.world import Client
from xmpp_server.modules.muc import MucConfig
from xmpp_server.xml.namespaces import MUC_USER


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def test_another_nickname(coven: Coven, hag: Client) -> None:
    # §7.6
    hag.says(f"<presence to='{ROOM}/oldhag' id='n'/>")
    for client in (coven.client(CRONE), hag):
        gone, come = client.hears()
        own = {"110"} if client is hag else set()
        assert (gone.get("from"), gone.get("type")) == (f"{ROOM}/thirdwitch", "unavailable")
        assert codes(gone) == {"303"} | own
        assert item(gone).get("nick") == "oldhag"
        assert (come.get("from"), come.get("type")) == (f"{ROOM}/oldhag", None)
        assert codes(come) == own


def test_nicknames_that_cannot_be_had(coven: Coven, hag: Client) -> None:
    coven.administers(CRONE, "<item affiliation='member' jid='wiccarocks@example.org' nick='secondwitch'/>")
    coven.quiet()
    for nick, reason in ("FirstWitch", "conflict"), ("secondwitch", "conflict"), (" ", "jid-malformed"):
        hag.says(f"<presence to='{ROOM}/{nick}'/>")
        [answer] = hag.hears()
        assert condition(answer) == reason
    assert not coven.client(CRONE).hears()
    hag.says(f"<presence to='{ROOM}/ThirdWitch'/>")  # the same, written otherwise
    assert len(hag.hears()) == 2


def test_visitors_may_be_kept_quiet(coven: Coven, hag: Client) -> None:
    coven.configures(allowvisitornickchange="0", allowvisitorstatus="0")
    coven.administers(CRONE, "<item nick='thirdwitch' role='visitor'/>")
    coven.quiet()
    hag.says(f"<presence to='{ROOM}/oldhag'/>")
    assert condition(hag.hears()[0]) == "not-acceptable"
    hag.says(f"<presence to='{ROOM}/thirdwitch'><status>Vote for me</status></presence>")
    [presence] = coven.client(CRONE).hears()
    assert [child.name for child in presence.elements()] == ["x", "occupant-id"]


def test_visitors_that_are_kept_quiet_tell_nothing_by_coming_and_going(coven: Coven, hag: Client) -> None:
    coven.configures(moderatedroom="1", allowvisitorstatus="0")
    coven.administers(CRONE, "<item nick='thirdwitch' role='visitor'/>")
    coven.quiet()
    status = "<status>Vote for me</status>"
    said = [f"<presence to='{ROOM}/thirdwitch'>{ENTRY}{status}</presence>"]
    said += [f"<presence to='{ROOM}/thirdwitch' type='unavailable'>{status}</presence>", said[0]]
    for one in said:
        hag.says(one)
        for presence in coven.client(CRONE).hears():
            assert [child.name for child in presence.elements()] == ["x", "occupant-id"]


def test_availability(coven: Coven, hag: Client) -> None:
    # §7.7
    hag.says(f"<presence to='{ROOM}/thirdwitch'><show>xa</show><status>gone</status></presence>")
    for client in (coven.client(CRONE), hag):
        [presence] = client.hears()
        assert [child.name for child in presence.elements()] == ["show", "status", "x", "occupant-id"]
    hag.says(f"<presence to='{ROOM}/thirdwitch' xml:lang='cy'><status>wedi mynd</status></presence>")
    [presence] = coven.client(CRONE).hears()
    assert presence.get("xml:lang") == "cy"


def test_leaving(coven: Coven, hag: Client) -> None:
    # §7.14
    hag.says(f"<presence to='{ROOM}/thirdwitch' type='unavailable' id='bye'><status>bye</status></presence>")
    [own] = hag.hears()
    assert (codes(own), own.get("id"), item(own).get("role")) == ({"110"}, "bye", "none")
    [other] = coven.client(CRONE).hears()
    assert (codes(other), other.get("id"), item(other).get("role")) == (set(), None, "none")
    assert other.find("status", "jabber:client") is not None
    hag.says(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")  # §17.3: ignored
    assert not hag.hears()


@pytest.mark.parametrize("way", ["unavailable", "stream closed"])
def test_going_offline_is_leaving(coven: Coven, hag: Client, way: str) -> None:
    if way == "unavailable":
        hag.says("<presence type='unavailable'/>")
    else:
        hag.leaves()
    [presence] = coven.client(CRONE).hears()
    assert presence.get("type") == "unavailable"


def test_who_says_too_much_goes_all_the_same(coven: Coven, hag: Client) -> None:
    grows = f"<x xmlns='{MUC_USER}'/><y xmlns:p='urn:{'n' * 200}'>{'<p:a/>' * 2000}</y>"
    hag.says(f"<presence to='{ROOM}/thirdwitch' type='unavailable'>{grows}</presence>")
    assert [one.get("type") for one in coven.client(CRONE).hears()] == ["unavailable"]
    assert len(coven.open().room.occupants) == 1


def test_a_temporary_room_ends_with_the_last(coven: Coven, hag: Client) -> None:
    hag.leaves()
    coven.client(CRONE).leaves()
    assert coven.muc.rooms.get("coven") is None


def test_the_founder_who_goes_before_configuring_takes_the_room_along(coven: Coven) -> None:
    # §10.1.3
    owner = coven.enters(CRONE, "firstwitch")
    owner.hears()
    owner.says(f"<presence to='{ROOM}/firstwitch' type='unavailable'/>")
    [gone] = owner.hears()  # as of any room: who leaves knows, and some wait for no more than this
    assert codes(gone) == {"110"}
    x = gone.find("x", "http://jabber.org/protocol/muc#user")
    assert x is not None
    assert x.find("destroy", "http://jabber.org/protocol/muc#user") is None
    assert coven.muc.rooms.get("coven") is None


def test_types_that_are_no_entry_and_no_exit(coven: Coven, hag: Client) -> None:
    # §17.3
    wicca = coven.client(WICCA)
    for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"):
        hag.says(f"<presence to='{ROOM}/thirdwitch' type='{kind}'/>")
        wicca.says(f"<presence to='{ROOM}/secondwitch' type='{kind}'/>")
    assert all(one.name == "iq" for one in wicca.hears())  # their own rosters
    assert len(coven.open().room.occupants) == 2


def test_a_probe_shows_an_occupant(coven: Coven, hag: Client) -> None:
    hag.says(f"<presence to='{ROOM}/firstwitch' type='probe'/>")
    [presence] = hag.hears()
    assert presence.get("from") == f"{ROOM}/firstwitch"


@pytest.mark.parametrize(
    ("reason", "gone"),
    [("gone", True), ("recipient-unavailable", True), ("remote-server-timeout", True), ("not-acceptable", False)],
)
@pytest.mark.parametrize("name", ["message", "presence"])
def test_ghosts(coven: Coven, hag: Client, reason: str, gone: bool, name: str) -> None:
    # §18.1.2, §11.1
    remote = coven.world.remote("elsewhere.example")
    remote.says(
        f"<presence from='ghost@elsewhere.example/x' to='{ROOM}/ghost'>"
        "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
    )
    coven.quiet()
    remote.hears()
    remote.says(
        f"<{name} type='error' from='ghost@elsewhere.example/x' to='{ROOM}'><error type='cancel'>"
        f"<{reason} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{name}>"
    )
    heard = hag.hears()
    assert len(heard) == gone
    if gone:
        assert codes(heard[0]) == {"333"}
        assert codes(remote.hears()[0]) == {"110", "333"}


def test_an_error_without_a_reason(coven: Coven, hag: Client) -> None:
    hag.says(f"<message to='{ROOM}' type='error'/>")
    assert not hag.hears()
    hag.says(f"<presence to='{ROOM}/thirdwitch' type='error'/>")
    assert codes(hag.hears()[0]) == {"110", "333"}


def test_presence_that_is_not_broadcast(coven: Coven) -> None:
    # muc#roomconfig_presencebroadcast
    owner = coven.founded(presencebroadcast=["moderator"])
    hag = coven.enters(HAG, "thirdwitch")
    assert [one.get("from") for one in hag.hears()] == [f"{ROOM}/firstwitch", f"{ROOM}/thirdwitch", ROOM]
    assert not owner.hears()
    coven.administers(CRONE, "<item nick='thirdwitch' role='moderator'/>")
    assert [one.get("type") for one in coven.rest] == [None]
    coven.administers(CRONE, "<item nick='thirdwitch' role='participant'/>")
    assert [one.get("type") for one in coven.rest] == ["unavailable"]
    hag.leaves()
    assert not owner.hears()


def test_in_a_crowd_only_moderators_are_shown() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, presence_occupants=2)))
    owner = coven.founded()
    coven.enters(HAG, "thirdwitch")
    assert len(owner.hears()) == 1
    wicca = coven.enters(WICCA, "secondwitch")
    assert [one.get("from") for one in wicca.hears()][-2:] == [f"{ROOM}/secondwitch", ROOM]
    assert not owner.hears()
