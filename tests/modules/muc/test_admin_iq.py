"""XEP-0045 §8-10: kicks, voice, bans, lists, and who may do what."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import ADMIN, CRONE, ENTRY, HAG, INSTANT, ROOM, WICCA, Coven, codes, item
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC_ADMIN, MUC_USER


@pytest.fixture
def full(coven: Coven) -> Coven:
    """A room with an owner, an admin and a nobody."""
    coven.founded()
    coven.administers(CRONE, "<item affiliation='admin' jid='wiccarocks@example.org'/>")
    coven.enters(WICCA, "secondwitch")
    coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return coven


def retrieved(coven: Coven, jid: str, what: str) -> list[dict[str, str]] | str:
    """A list, or why it cannot be had."""
    answer = coven.asks(jid, "get", f"<query xmlns='{ADMIN}'><item {what}/></query>")
    if answer.get("type") == "error":
        return condition(answer)
    query = answer.find("query", MUC_ADMIN)
    assert query is not None
    return [one.attrs for one in query.elements()]


def seen(coven: Coven, jid: str) -> Element:
    [presence] = coven.client(jid).hears()
    return presence


def test_a_kick(full: Coven) -> None:
    # §8.2
    answer = full.administers(WICCA, "<item nick='thirdwitch' role='none'><reason>Avaunt!</reason></item>")
    assert answer.get("type") == "result"
    assert full.answered_first
    kicked = seen(full, HAG)
    assert (kicked.get("type"), codes(kicked), item(kicked).get("role")) == ("unavailable", {"110", "307"}, "none")
    actor, reason = item(kicked).elements()
    assert (actor.get("nick"), reason.text) == ("secondwitch", "Avaunt!")
    for presence in (*full.rest, seen(full, CRONE)):
        assert codes(presence) == {"307"}


def test_voice(full: Coven) -> None:
    # §8.3, §8.4
    for role in ("visitor", "participant"):
        full.administers(WICCA, f"<item nick='thirdwitch' role='{role}'><reason>so</reason></item>")
        presence = seen(full, HAG)
        assert (item(presence).get("role"), presence.get("type")) == (role, None)
        assert seen(full, CRONE).get("from") == f"{ROOM}/thirdwitch"


@pytest.mark.parametrize(
    ("actor", "nick", "role", "reason"),
    [
        (HAG, "secondwitch", "none", "forbidden"),
        (WICCA, "firstwitch", "none", "not-allowed"),
        (WICCA, "firstwitch", "participant", "not-allowed"),
        (CRONE, "secondwitch", "visitor", "not-allowed"),
        (HAG, "thirdwitch", "moderator", "forbidden"),
        (WICCA, "nobody", "none", "item-not-found"),
        (WICCA, "", "none", "jid-malformed"),
        ("stranger@example.org/x", "thirdwitch", "none", "forbidden"),
    ],
)
def test_roles_that_are_refused(full: Coven, actor: str, nick: str, role: str, reason: str) -> None:
    assert condition(full.administers(actor, f"<item nick='{nick}' role='{role}'/>")) == reason
    assert not full.client(HAG).hears() or actor == HAG


@pytest.mark.parametrize(
    "items",
    [
        ["<item nick='thirdwitch' role='none' affiliation='outcast' jid='hag66@example.org'/>"],
        ["<item nick='thirdwitch'/>"],
        ["<item nick='thirdwitch' role='king'/>"],
        ["<item jid='hag66@example.org' affiliation='king'/>"],
        ["<item affiliation='member'/>"],
        ["<item role='none'/>"],
        ["<item nick='thirdwitch' role='none'/>", "<item jid='hag66@example.org' affiliation='outcast'/>"],
        [],
        ["<item nick='thirdwitch' role='none'/>"] * 501,
    ],
)
def test_malformed_requests(full: Coven, items: list[str]) -> None:
    # §17.4
    assert condition(full.administers(CRONE, *items)) == "bad-request"
    assert len(full.open().room.occupants) == 3


def test_one_item_that_is_refused_refuses_all(full: Coven) -> None:
    # §9.2
    answer = full.administers(
        WICCA,
        "<item jid='hag66@example.org' affiliation='outcast'/>",
        "<item jid='crone1@example.org' affiliation='outcast'/>",
    )
    assert condition(answer) == "not-allowed"
    answer = full.administers(WICCA, "<item nick='thirdwitch' role='none'/>", "<item nick='firstwitch' role='none'/>")
    assert condition(answer) == "not-allowed"
    assert len(full.open().room.occupants) == 3


def test_a_ban(full: Coven) -> None:
    # §9.1: all clients of the account go
    full.enters("hag66@example.org/phone", "other name")
    full.quiet()
    answer = full.administers(
        WICCA, "<item affiliation='outcast' jid='hag66@example.org/x'><reason>Treason</reason></item>"
    )
    assert answer.get("type") == "result"
    for jid in (HAG, "hag66@example.org/phone"):
        own = [one for one in full.client(jid).hears() if "110" in codes(one)]
        assert [codes(one) for one in own] == [{"110", "301"}]
    assert [codes(one) for one in full.client(CRONE).hears()] == [{"301"}, {"301"}]
    assert retrieved(full, WICCA, "affiliation='outcast'") == [{"affiliation": "outcast", "jid": "hag66@example.org"}]


def test_a_ban_of_a_domain(full: Coven) -> None:
    remote = full.world.remote("evil.example")
    remote.says(
        f"<presence from='x@evil.example/y' to='{ROOM}/evil'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    )
    full.quiet()
    remote.hears()
    full.administers(WICCA, "<item affiliation='outcast' jid='evil.example'/>")
    assert codes(remote.hears()[0]) == {"110", "301"}


@pytest.mark.parametrize(
    ("actor", "target", "affiliation", "reason"),
    [
        (HAG, "wiccarocks", "outcast", "forbidden"),
        (WICCA, "crone1", "outcast", "not-allowed"),
        (WICCA, "wiccarocks", "outcast", "conflict"),
        (CRONE, "crone1", "outcast", "conflict"),
        (CRONE, "crone1", "admin", "conflict"),
        (WICCA, "hag66", "admin", "forbidden"),
        (WICCA, "hag66", "owner", "forbidden"),
        (WICCA, "crone1", "none", "forbidden"),
        ("stranger@example.org/x", "hag66", "member", "forbidden"),
    ],
)
def test_affiliations_that_are_refused(full: Coven, actor: str, target: str, affiliation: str, reason: str) -> None:
    item = f"<item affiliation='{affiliation}' jid='{target}@example.org'/>"
    assert condition(full.administers(actor, item)) == reason


def test_two_owners_cannot_both_go(full: Coven) -> None:
    # §10.4
    full.administers(CRONE, "<item affiliation='owner' jid='wiccarocks@example.org'/>")
    assert full.administers(WICCA, "<item affiliation='admin' jid='crone1@example.org'/>").get("type") == "result"
    assert condition(full.administers(CRONE, "<item affiliation='none' jid='wiccarocks@example.org'/>")) == "forbidden"
    assert condition(full.administers(WICCA, "<item affiliation='none' jid='wiccarocks@example.org'/>")) == "conflict"


@pytest.mark.parametrize(("affiliation", "role"), [("member", "participant"), ("admin", "moderator")])
def test_affiliations_show_in_presence(full: Coven, affiliation: str, role: str) -> None:
    # §9.3, §10.6, §10.3
    full.administers(CRONE, f"<item affiliation='{affiliation}' jid='hag66@example.org'/>")
    for jid in (HAG, WICCA):
        presence = seen(full, jid)
        assert (item(presence).get("affiliation"), item(presence).get("role")) == (affiliation, role)
    full.administers(CRONE, "<item affiliation='none' jid='hag66@example.org'/>")
    presence = seen(full, HAG)
    assert (item(presence).get("affiliation"), item(presence).get("role")) == ("none", "participant")


def test_who_loses_membership_leaves_a_members_only_room(full: Coven) -> None:
    # §9.4: no presence in between
    full.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    full.configures(membersonly="1")
    full.quiet()
    full.administers(CRONE, "<item affiliation='none' jid='hag66@example.org'/>")
    presence = seen(full, HAG)
    assert (presence.get("type"), codes(presence)) == ("unavailable", {"110", "321"})


def test_a_new_member_of_a_members_only_room_is_invited(coven: Coven) -> None:
    # §9.5
    coven.founded(membersonly="1", passwordprotectedroom="1", roomsecret="cauldronburn")
    hag = coven.client(HAG)
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    [message] = hag.hears()
    x = message.find("x", MUC_USER)
    assert x is not None
    invite, password = x.elements()
    assert (message.get("from"), invite.get("from"), password.text) == (ROOM, "crone1@example.org", "cauldronburn")


def test_the_absent(coven: Coven) -> None:
    # §10.3, §16.6.2: moderators see who it is, and the user is told if the room is so configured
    coven.founded(affiliationnotify="1")
    hag = coven.client(HAG)
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    assert [item(message).get("jid") for message in coven.rest] == ["hag66@example.org"]
    assert [codes(message) for message in hag.hears()] == [{"101"}]


def test_lists(full: Coven) -> None:
    # §8.5, §9.2, §9.5, §9.8, §10.5, §10.8
    everybody = "crone1@example.org", "wiccarocks@example.org"
    assert retrieved(full, CRONE, "affiliation='owner'") == [{"affiliation": "owner", "jid": everybody[0]}]
    assert retrieved(full, CRONE, "affiliation='admin'") == [{"affiliation": "admin", "jid": everybody[1]}]
    participants = [{"affiliation": "none", "jid": HAG, "nick": "thirdwitch", "role": "participant"}]
    assert retrieved(full, WICCA, "role='participant'") == participants
    moderators = retrieved(full, WICCA, "role='moderator'")
    assert not isinstance(moderators, str)
    assert [one["nick"] for one in moderators] == ["firstwitch", "secondwitch"]
    full.administers(CRONE, "<item nick='thirdwitch' role='moderator'/>")
    full.quiet()
    assert retrieved(full, HAG, "role='moderator'") == "forbidden"
    assert not isinstance(retrieved(full, HAG, "role='participant'"), str)


@pytest.mark.parametrize("what", ["affiliation='owner'", "affiliation='admin'", "affiliation='member'"])
def test_who_may_retrieve_lists(full: Coven, what: str) -> None:
    # §5.2.1, §9.5: nobody learns real JIDs from them
    outsider = "stranger@example.org/x"
    assert retrieved(full, HAG, what) == "forbidden"
    full.administers(CRONE, "<item affiliation='member' jid='stranger@example.org'/>")
    full.quiet()
    assert retrieved(full, outsider, what) == "forbidden"
    full.configures(whois="anyone")
    full.quiet()
    assert not isinstance(retrieved(full, HAG, what), str)
    assert not isinstance(retrieved(full, outsider, what), str)
    full.configures(getmemberlist=["moderator"])
    full.quiet()
    assert retrieved(full, HAG, what) == "forbidden"
    assert retrieved(full, HAG, "affiliation='outcast'") == "forbidden"


def test_one_list_at_a_time(full: Coven) -> None:
    answer = full.asks(CRONE, "get", f"<query xmlns='{ADMIN}'><item role='none'/><item role='visitor'/></query>")
    assert condition(answer) == "bad-request"
    answer = full.asks(CRONE, "get", f"<query xmlns='{ADMIN}'/>", "nowhere@chat.example.org")
    assert condition(answer) == "item-not-found"


def named(user: str, nick: str, affiliation: str = "member") -> str:
    return f"<item affiliation='{affiliation}' jid='{user}@example.org' nick='{nick}'/>"


def test_the_lists_have_an_end_in_bytes(full: Coven) -> None:
    room = full.open().room
    before = room.listed_bytes
    for batch in range(6):
        names = [f"{'x' * 1000}{batch}-{number}@evil.example" for number in range(200)]
        answer = full.administers(CRONE, *(f"<item affiliation='outcast' jid='{name}'/>" for name in names))
        full.quiet()
    assert condition(answer) == "resource-constraint"
    assert room.listed_bytes == sum(one.size(jid) for jid, one in room.affiliates.items()) < 1_048_576
    outcasts = [jid for jid in room.affiliates if jid.domainpart == "evil.example"]
    assert len(outcasts) == 1000
    for start in range(0, 1000, 200):
        items = [f"<item affiliation='none' jid='{jid}'/>" for jid in outcasts[start : start + 200]]
        full.administers(CRONE, *items)
        full.quiet()
    assert room.listed_bytes == before


def test_one_nickname_for_two_in_one_request(full: Coven) -> None:
    answer = full.administers(CRONE, named("hecate", "midnight"), named("medea", "Midnight"))
    assert condition(answer) == "conflict"
    assert retrieved(full, CRONE, "affiliation='member'") == []
    # who has it may give it up by the same request
    assert full.administers(CRONE, named("hecate", "midnight")).get("type") == "result"
    assert condition(full.administers(CRONE, named("medea", "midnight"))) == "conflict"
    swap = named("medea", "midnight"), named("hecate", "noon")
    assert full.administers(CRONE, *swap).get("type") == "result"
    gone = "<item affiliation='none' jid='medea@example.org'/>"
    assert full.administers(CRONE, named("hecate", "midnight"), gone).get("type") == "result"
    hecate = {"affiliation": "member", "jid": "hecate@example.org", "nick": "midnight"}
    assert retrieved(full, CRONE, "affiliation='member'") == [hecate]


def test_nobody_leaves_a_room_to_a_domain_for_which_nobody_acts(full: Coven) -> None:
    resigns = "<item affiliation='none' jid='crone1@example.org'/>"
    domain = "<item affiliation='owner' jid='example.net'/>"
    assert condition(full.administers(CRONE, domain, resigns)) == "conflict"
    assert full.administers(CRONE, domain).get("type") == "result"
    assert condition(full.administers(CRONE, resigns)) == "conflict"


def test_a_component_may_be_the_last_owner(coven: Coven) -> None:
    bridge = coven.world.remote("bridge.example.net")
    there = f"from='bridge.example.net' to='{ROOM}"
    bridge.says(f"<presence {there}/bridge'>{ENTRY}</presence>")
    bridge.says(f"<iq type='set' id='1' {there}'>{INSTANT}</iq>")
    for number, affiliation in enumerate(("owner", "none")):
        item = f"<item affiliation='{affiliation}' jid='crone1@example.org'/>"
        bridge.says(f"<iq type='set' id='a{number}' {there}'><query xmlns='{ADMIN}'>{item}</query></iq>")
    answers = {one.get("id"): one.get("type") for one in bridge.hears() if one.name == "iq"}
    assert answers == {"1": "result", "a0": "result", "a1": "result"}
    assert coven.open().room.owners() == [JID.parse("bridge.example.net")]
