"""XEP-0045 §10.1, §10.2, §10.9: configuring and destroying."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, INSTANT, ROOM, SERVICE, WICCA, Coven, codes, item, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.modules.muc.form import SETTINGS
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.namespaces import DATA_FORMS, MUC_OWNER, MUC_USER

GET = f"<query xmlns='{MUC_OWNER}'/>"


def the_form(coven: Coven, jid: str = CRONE) -> Form:
    query = coven.asks(jid, "get", GET).find("query", MUC_OWNER)
    assert query is not None
    element = query.find("x", DATA_FORMS)
    assert element is not None
    return Form.parse(element)


def destroying(inside: str = "", attrs: str = "") -> str:
    return f"<query xmlns='{MUC_OWNER}'><destroy{attrs}>{inside}</destroy></query>"


def test_the_form_shows_what_is_set(coven: Coven) -> None:
    # §10.2
    coven.founded(roomname="A Dark Cave", maxusers="10", roomsecret="cauldronburn", presencebroadcast=["moderator"])
    form = the_form(coven)
    assert form.form_type == "http://jabber.org/protocol/muc#roomconfig"
    assert form.value("muc#roomconfig_roomname") == "A Dark Cave"
    assert form.value("muc#roomconfig_maxusers") == "10"
    assert form.value("muc#roomconfig_roomsecret") == "cauldronburn"
    assert form.value("muc#roomconfig_passwordprotectedroom") == "1"
    assert form.values("muc#roomconfig_presencebroadcast") == ("moderator",)
    assert form.values("muc#roomconfig_roomowners") == ("crone1@example.org",)
    assert {setting.var for setting in SETTINGS} <= {field.var for field in form.fields}


def test_a_form_comes_back_as_it_was(coven: Coven) -> None:
    coven.founded(roomname="Cave", whois="anyone", allowpm="moderators", maxusers="3", lang="en")
    before = coven.open().room.config
    coven.configures(**{field.var: list(field.values) for field in the_form(coven).fields if field.var != "FORM_TYPE"})
    assert coven.open().room.config == before
    assert not coven.rest  # and nobody is told of nothing


@pytest.mark.parametrize("jid", [WICCA, HAG, "stranger@example.org/x"])
def test_owners_alone(coven: Coven, jid: str) -> None:
    # §10.2, §10.9
    coven.founded()
    coven.administers(CRONE, "<item affiliation='admin' jid='wiccarocks@example.org'/>")
    for kind, payload in (("get", GET), ("set", INSTANT), ("set", destroying())):
        assert condition(coven.asks(jid, kind, payload)) == "forbidden"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"maxusers": "-5"}, "not-acceptable"),
        ({"maxusers": "0"}, "not-acceptable"),
        ({"maxusers": "many"}, "not-acceptable"),
        ({"whois": "nobody"}, "not-acceptable"),
        ({"membersonly": "perhaps"}, "not-acceptable"),
        ({"presencebroadcast": ["king"]}, "not-acceptable"),
        ({"roomname": "x" * 5000}, "not-acceptable"),
        ({"passwordprotectedroom": "1"}, "not-acceptable"),
        ({"passwordprotectedroom": "1", "roomsecret": ""}, "not-acceptable"),
        ({"roomowners": []}, "conflict"),
        ({"roomowners": ["@"]}, "not-acceptable"),
        ({"muc#maxhistoryfetch": "1000"}, "not-acceptable"),
        ({"FORM_TYPE#": "x"}, None),
    ],
)
def test_configurations_that_cannot_be(coven: Coven, fields: dict[str, str | list[str]], reason: str | None) -> None:
    coven.founded()
    before = coven.open().room.config
    answer = coven.configures(roomdesc="changed", **fields)
    if reason is None:  # unknown fields are ignored
        assert answer.get("type") == "result"
        return
    assert condition(answer) == reason
    assert coven.open().room.config == before


def test_another_form_type(coven: Coven) -> None:
    coven.founded()
    answer = coven.asks(
        CRONE,
        "set",
        f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>urn:other</value></field></x></query>",
    )
    assert condition(answer) == "bad-request"
    assert condition(coven.asks(CRONE, "set", f"<query xmlns='{MUC_OWNER}'/>")) == "bad-request"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"enablelogging": "1"}, [{"170"}]),
        ({"whois": "anyone"}, [{"172"}]),
        ({"roomname": "Cave"}, [{"104"}]),
        ({"roomname": "Cave", "whois": "anyone"}, [{"172"}, {"104"}]),
        ({}, []),
    ],
)
def test_everybody_hears_of_changes(coven: Coven, fields: dict[str, str], expected: list[set[str]]) -> None:
    # §10.2.1
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    coven.configures(**fields)
    messages = hag.hears()
    assert [codes(message) for message in messages] == expected
    assert all((one.get("from"), one.get("type")) == (ROOM, "groupchat") for one in messages)


def test_back_again(coven: Coven) -> None:
    coven.founded(enablelogging="1", whois="anyone")
    coven.configures(enablelogging="0", whois="moderators")
    assert [codes(message) for message in coven.rest] == [{"171"}, {"173"}]


def test_owners_and_admins_by_the_form(coven: Coven) -> None:
    # §10.2
    coven.founded()
    wicca = coven.enters(WICCA, "secondwitch")
    wicca.hears()
    for fields, expected in (
        ({"roomadmins": [WICCA]}, ("admin", "moderator")),
        ({"roomadmins": []}, ("none", "participant")),
        ({"roomowners": ["crone1@example.org", "wiccarocks@example.org"]}, ("owner", "moderator")),
        ({"roomowners": ["crone1@example.org"], "roomadmins": [WICCA]}, ("admin", "moderator")),
    ):
        coven.configures(**fields)  # type: ignore[arg-type]
        presence = wicca.hears()[0]
        assert (item(presence).get("affiliation"), item(presence).get("role")) == expected


def test_members_only_from_now_on(coven: Coven) -> None:
    # §10.2
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    coven.configures(membersonly="1")
    [presence] = hag.hears()
    assert (presence.get("type"), codes(presence)) == ("unavailable", {"110", "322"})
    assert codes(coven.rest[0]) == {"322"}


def test_cancelled(coven: Coven) -> None:
    # §10.1.3, §10.2
    cancel = f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='cancel'/></query>"
    coven.enters(CRONE, "firstwitch")
    coven.asks(CRONE, "set", cancel)
    assert coven.muc.rooms.get("coven") is None
    coven.founded()
    coven.asks(CRONE, "set", cancel)
    assert len(coven.open().room.occupants) == 1


def test_destroyed(coven: Coven) -> None:
    # §10.9
    coven.founded()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    answer = coven.asks(
        CRONE, "set", destroying("<reason>Macbeth doth come.</reason><password>x</password>", " jid='heath@x.example'")
    )
    assert answer.get("type") == "result"
    for presence in (*hag.hears(), *coven.rest):
        x = presence.find("x", MUC_USER)
        assert x is not None
        destroy = x.find("destroy", MUC_USER)
        assert destroy is not None
        reason, password = destroy.elements()
        assert (destroy.get("jid"), reason.text, password.text) == ("heath@x.example", "Macbeth doth come.", "x")
        assert (item(presence).get("affiliation"), item(presence).get("role")) == ("none", "none")
    assert coven.muc.rooms.get("coven") is None
    coven.founded()
    assert condition(coven.asks(CRONE, "set", destroying(attrs=" jid='@'"))) == "jid-malformed"


def test_the_name_of_a_destroyed_room_stays_taken() -> None:
    # §10.9: it may be locked
    coven = Coven(make_world(MucConfig(domain=SERVICE, tombstone_s=100)))
    coven.founded(persistentroom="1")
    coven.asks(CRONE, "set", destroying("<reason>We moved</reason>", " jid='heath@chat.example.org'"))
    [answer] = coven.enters(HAG, "thirdwitch").hears()
    assert condition(answer) == "gone"
    coven.world.passes(101)
    assert len(coven.enters(HAG, "thirdwitch").hears()) == 2


def test_former_owners_may_found_it_again() -> None:
    coven = Coven(make_world())
    coven.founded(persistentroom="1")
    coven.asks(CRONE, "set", destroying())
    coven.quiet()
    coven.founded()
    assert len(coven.open().room.occupants) == 1
