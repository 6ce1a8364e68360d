"""XEP-0045 §6: what strangers and occupants find out."""

from __future__ import annotations

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, Coven
from xmpp_server.stanzas.forms import Form
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, DISCO_ITEMS, RSM


def info(coven: Coven, to: str) -> Element:
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>", to)
    query = answer.find("query", DISCO_INFO)
    assert query is not None
    return query


def items(coven: Coven, to: str, jid: str = HAG, inside: str = "") -> Element:
    answer = coven.asks(jid, "get", f"<query xmlns='{DISCO_ITEMS}'>{inside}</query>", to)
    query = answer.find("query", DISCO_ITEMS)
    assert query is not None
    return query


def features(query: Element) -> set[str | None]:
    return {one.get("var") for one in query.findall("feature", DISCO_INFO)}


def test_the_server_names_the_service(coven: Coven) -> None:
    # §6.1
    assert [one.get("jid") for one in items(coven, "example.org").elements()] == [SERVICE]


def test_the_service(coven: Coven) -> None:
    # §6.2, §7.4 (#stable_id)
    query = info(coven, SERVICE)
    identity = query.first
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("conference", "text")
    assert features(query) >= {
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/muc#stable_id",
        "urn:xmpp:occupant-id:0",
    }
    assert coven.asks(HAG, "get", "<ping xmlns='urn:xmpp:ping'/>", SERVICE).get("type") == "result"
    assert condition(coven.asks(HAG, "get", "<x xmlns='urn:x'/>", SERVICE)) == "service-unavailable"
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}' node='none'/>", SERVICE)
    assert condition(answer) == "item-not-found"


def test_public_rooms(coven: Coven) -> None:
    # §6.3
    coven.founded(roomname="A Dark Cave")
    coven.founded(room=f"hidden@{SERVICE}", publicroom="0")
    coven.enters(CRONE, "firstwitch", room=f"locked@{SERVICE}")
    coven.quiet()
    assert [(one.get("jid"), one.get("name")) for one in items(coven, SERVICE).elements()] == [(ROOM, "A Dark Cave")]


def test_pages_of_rooms(coven: Coven) -> None:
    for name in "abc":
        coven.founded(room=f"{name}@{SERVICE}", persistentroom="1")
    page = items(coven, SERVICE, inside=f"<set xmlns='{RSM}'><max>2</max></set>")
    *rooms, end = page.elements()
    assert [one.get("jid") for one in rooms] == [f"a@{SERVICE}", f"b@{SERVICE}"]
    count = end.find("count", RSM)
    assert count is not None
    assert count.text == "3"
    page = items(coven, SERVICE, inside=f"<set xmlns='{RSM}'><after>b@{SERVICE}</after></set>")
    assert [one.get("jid") for one in page.findall("item", DISCO_ITEMS)] == [f"c@{SERVICE}"]


def test_a_room(coven: Coven) -> None:
    # §6.4
    coven.founded(roomname="A Dark Cave", roomdesc="For witches", lang="en", pubsub="xmpp:x")
    coven.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
    query = info(coven, ROOM)
    assert features(query) >= {
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/muc#stable_id",
        "http://jabber.org/protocol/muc#self-ping-optimization",
        "urn:xmpp:occupant-id:0",
        "urn:xmpp:sid:0",
        "jabber:iq:register",
        "muc_unsecured",
        "muc_public",
        "muc_temporary",
        "muc_open",
        "muc_unmoderated",
        "muc_semianonymous",
    }
    form = Form.of(query)
    assert form is not None
    expected = {
        "description": "For witches",
        "subject": "Spells",
        "occupants": "1",
        "lang": "en",
    }
    assert {name: form.value(f"muc#roominfo_{name}") for name in expected} == expected
    assert form.value("muc#roomconfig_pubsub") == "xmpp:x"


def test_a_closed_room_tells_less(coven: Coven) -> None:
    # §14.4
    coven.founded(
        membersonly="1", moderatedroom="1", persistentroom="1", publicroom="0", roomsecret="x", whois="anyone"
    )
    coven.client(CRONE).says(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
    query = info(coven, ROOM)
    assert features(query) >= {
        "muc_passwordprotected",
        "muc_hidden",
        "muc_persistent",
        "muc_membersonly",
        "muc_moderated",
        "muc_nonanonymous",
    }
    form = Form.of(query)
    assert form is not None
    assert form.value("muc#roominfo_subject") == ""
    assert "x" not in [value for field in form.fields for value in field.values]
    assert form.field("muc#roominfo_contactjid") is None
    coven.configures(membersonly="0", passwordprotectedroom="0")
    form = Form.of(info(coven, ROOM))
    assert form is not None
    assert form.value("muc#roominfo_contactjid") == "crone1@example.org"


def test_occupants(coven: Coven) -> None:
    # §6.5: private by default, as advised; occupants know them anyhow
    coven.founded()
    assert not list(items(coven, ROOM).elements())
    assert [one.get("jid") for one in items(coven, ROOM, CRONE).elements()] == [f"{ROOM}/firstwitch"]
    coven.configures(public_list="1")
    assert [one.get("jid") for one in items(coven, ROOM).elements()] == [f"{ROOM}/firstwitch"]


def test_nodes(coven: Coven) -> None:
    # §18.1.1
    coven.founded()
    for node, reason in ("http://jabber.org/protocol/muc#traffic", "service-unavailable"), ("other", "item-not-found"):
        answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}' node='{node}'/>")
        assert condition(answer) == reason
    answer = coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>", f"nowhere@{SERVICE}")
    assert condition(answer) == "item-not-found"
