"""XEP-0045 §7.10, §7.12: registering, and the nickname that is one's own then."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, WICCA, Coven, codes, item, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, REGISTER

GET = f"<query xmlns='{REGISTER}'/>"


def filled(nick: str, kind: str = "submit") -> str:
    return (
        f"<query xmlns='{REGISTER}'><x xmlns='jabber:x:data' type='{kind}'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x></query>"
    )


def query(answer: Element) -> Element:
    found = answer.find("query", REGISTER)
    assert found is not None, answer
    return found


def own_nick(coven: Coven, jid: str) -> list[str | None]:
    answer = coven.asks(jid, "get", f"<query xmlns='{DISCO_INFO}' node='x-roomuser-item'/>")
    found = answer.find("query", DISCO_INFO)
    assert found is not None
    return [identity.get("name") for identity in found.elements()]


def test_registered(coven: Coven) -> None:
    coven.founded()
    hag = coven.enters(HAG, "anything")
    coven.quiet()
    assert own_nick(coven, HAG) == []
    form = Form.of(query(coven.asks(HAG, "get", GET)))
    assert form is not None
    assert form.form_type == "http://jabber.org/protocol/muc#register"
    assert coven.asks(HAG, "set", filled("thirdwitch")).get("type") == "result"
    assert item(coven.rest[0]).get("affiliation") == "member"
    assert [child.name for child in query(coven.asks(HAG, "get", GET)).elements()] == ["registered", "username"]
    assert own_nick(coven, HAG) == ["thirdwitch"]
    [answer] = coven.enters(WICCA, "ThirdWitch").hears()
    assert condition(answer) == "conflict"
    assert coven.asks(HAG, "set", f"<query xmlns='{REGISTER}'><remove/></query>").get("type") == "result"
    assert item(coven.rest[0]).get("affiliation") == "none"
    assert own_nick(coven, HAG) == []
    assert hag.account.jid not in coven.open().room.affiliates


def test_owners_keep_what_they_are(coven: Coven) -> None:
    coven.founded()
    coven.asks(CRONE, "set", filled("firstwitch"))
    assert item(coven.rest[0]).get("affiliation") == "owner"
    coven.asks(CRONE, "set", f"<query xmlns='{REGISTER}'><remove/></query>")
    assert item(coven.rest[0]).get("affiliation") == "owner"
    again = coven.asks(CRONE, "set", f"<query xmlns='{REGISTER}'><remove/></query>")
    assert condition(again) == "registration-required"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (filled("secondwitch"), "conflict"),
        (filled("FirstWitch"), "conflict"),
        (filled(""), "bad-request"),
        (filled(" "), "jid-malformed"),
        (filled("x" * 200), "not-acceptable"),
        (filled("a&#x85;b"), "jid-malformed"),
        (f"<query xmlns='{REGISTER}'/>", "bad-request"),
        (f"<query xmlns='{REGISTER}'><x xmlns='jabber:x:data' type='submit'/></query>", "bad-request"),
        (filled("x", "cancel"), None),
    ],
)
def test_registrations_that_fail(coven: Coven, payload: str, reason: str | None) -> None:
    coven.founded()
    coven.administers(CRONE, "<item affiliation='member' jid='wiccarocks@example.org' nick='secondwitch'/>")
    answer = coven.asks(HAG, "set", payload)
    if reason is None:
        assert answer.get("type") == "result"
    else:
        assert condition(answer) == reason
    assert coven.client(HAG).account.jid not in coven.open().room.affiliates


def test_who_may_not_register(coven: Coven) -> None:
    assert condition(coven.asks(HAG, "get", GET)) == "item-not-found"
    coven.enters(CRONE, "firstwitch")
    assert condition(coven.asks(HAG, "get", GET)) == "item-not-found"
    coven.configures(membersonly="1")
    assert condition(coven.asks(HAG, "get", GET)) == "not-allowed"
    coven.configures(membersonly="0", **{"x-muc#roomconfig_registration": "0"})
    assert condition(coven.asks(HAG, "get", GET)) == "service-unavailable"
    coven.administers(CRONE, "<item affiliation='outcast' jid='hag66@example.org'/>")
    assert condition(coven.asks(HAG, "get", GET)) == "forbidden"


def test_a_ban_takes_the_nickname(coven: Coven) -> None:
    # §9.1
    coven.founded()
    coven.asks(HAG, "set", filled("thirdwitch"))
    coven.administers(CRONE, "<item affiliation='outcast' jid='hag66@example.org'/>")
    coven.quiet()
    assert codes(coven.enters(WICCA, "thirdwitch").hears()[1]) == {"110"}
    assert coven.client(WICCA).jid in coven.open().room.occupants.seats
    assert f"{ROOM}/thirdwitch" in [one.jid for one in coven.open().room.occupants]


def test_nobody_gets_voice_by_registering(coven: Coven) -> None:
    """In a moderated room members speak (§5.1.2): strangers would make themselves such."""
    owner = coven.founded(moderatedroom="1")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    assert condition(coven.asks(HAG, "get", GET)) == "not-allowed"
    assert condition(coven.asks(HAG, "set", filled("thirdwitch"))) == "not-allowed"
    coven.administers(CRONE, f"<item affiliation='member' jid='{hag.account.jid}'/>")
    owner.hears()
    assert coven.asks(HAG, "set", filled("thirdwitch")).get("type") == "result"


@pytest.mark.parametrize("by", ["registering", "inviting", "configuring"])
def test_a_room_knows_only_so_many_people(by: str) -> None:
    world = make_world(MucConfig(domain=SERVICE, affiliations=2))
    coven = Coven(world)
    coven.founded(membersonly="1" if by == "inviting" else "0")
    coven.administers(CRONE, "<item affiliation='member' jid='first@example.org'/>")
    coven.quiet()
    if by == "registering":
        coven.enters(HAG, "thirdwitch")
        coven.quiet()
        answer = coven.asks(HAG, "set", filled("thirdwitch"))
    elif by == "inviting":
        owner = coven.client(CRONE)
        invite = "<invite to='hag66@example.org'/>"
        owner.says(f"<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>{invite}</x></message>")
        [answer] = owner.hears()
    else:
        answer = coven.configures(roomowners=["crone1@example.org", "hag66@example.org"])
    assert condition(answer) == "resource-constraint"
    assert len(coven.open().room.affiliates) == 2
