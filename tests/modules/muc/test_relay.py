"""XEP-0045 §6.6, §17.4, XEP-0410: IQs to occupants."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import HAG, ROOM, SERVICE, WICCA, Coven
from tests.world import Client
from xmpp_server.xml.namespaces import DISCO_INFO

PING = "<ping xmlns='urn:xmpp:ping'/>"
QUERY = "<query xmlns='jabber:iq:version'/>"


@pytest.fixture
def hag(coven: Coven) -> Client:
    coven.founded()
    coven.enters(WICCA, "secondwitch")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    return hag


def test_who_pings_themselves(coven: Coven, hag: Client) -> None:
    # XEP-0410 §4
    assert coven.asks(HAG, "get", PING, f"{ROOM}/thirdwitch").get("type") == "result"
    stranger = "stranger@example.org/x"
    for to in (f"{ROOM}/thirdwitch", f"{ROOM}/nobody", f"nowhere@{SERVICE}/thirdwitch"):
        assert condition(coven.asks(stranger, "get", PING, to)) == "not-acceptable"
    # another client of the account is not in the room
    assert condition(coven.asks("hag66@example.org/phone", "get", PING, f"{ROOM}/thirdwitch")) == "not-acceptable"


def test_a_query_and_its_answer(coven: Coven, hag: Client) -> None:
    wicca = coven.client(WICCA)
    hag.says(f"<iq type='get' id='v1' to='{ROOM}/secondwitch'>{QUERY}</iq>")
    [query] = wicca.hears()
    assert (query.get("from"), query.get("to")) == (f"{ROOM}/thirdwitch", WICCA)
    assert query.get("id") != "v1"
    assert HAG not in str(query)
    answer = f"<iq type='result' id='{query.get('id')}' to='{ROOM}/thirdwitch'>{QUERY}</iq>"
    coven.client("crone1@example.org/desktop").says(answer)  # somebody else cannot
    assert not hag.hears()
    wicca.says(answer, answer)
    [result] = hag.hears()
    assert (result.get("from"), result.get("id"), result.get("type")) == (f"{ROOM}/secondwitch", "v1", "result")


def test_queries_that_fail(coven: Coven, hag: Client) -> None:
    assert condition(coven.asks(HAG, "get", QUERY, f"{ROOM}/nobody")) == "item-not-found"
    disco = f"<query xmlns='{DISCO_INFO}'/>"
    assert condition(coven.asks("stranger@example.org/x", "get", disco, f"{ROOM}/thirdwitch")) == "bad-request"
    coven.configures(allow_query_users="0")
    assert condition(coven.asks(HAG, "get", QUERY, f"{ROOM}/secondwitch")) == "not-allowed"


@pytest.mark.parametrize("kind", ["iq", "message"])
def test_an_error_does_not_tell_who_it_is(coven: Coven, hag: Client, kind: str) -> None:
    """RFC 6120 §8.3.2: servers say whose error it is; the room is semi-anonymous."""
    wicca = coven.client(WICCA)
    type_, payload = ("get", QUERY) if kind == "iq" else ("chat", "<body>psst</body>")
    hag.says(f"<{kind} type='{type_}' id='v1' to='{ROOM}/secondwitch'>{payload}</{kind}>")
    [asked] = wicca.hears()
    wicca.says(
        f"<{kind} type='error' id='{asked.get('id')}' to='{ROOM}/thirdwitch'>"
        "<error type='modify' by='wiccarocks@example.org'>"
        "<redirect xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:wiccarocks@example.org</redirect></error>"
        f"</{kind}>"
    )
    [raw] = [bytes(stanza.raw) for stanza in hag.hears_stanzas()]
    assert b"redirect" in raw
    assert b"wiccarocks" not in raw


def test_cards_are_of_accounts(coven: Coven, hag: Client) -> None:
    # as clients want the avatar of an occupant
    hag.says(f"<iq type='get' id='v' to='{ROOM}/secondwitch'><vCard xmlns='vcard-temp'/></iq>")
    assert not coven.client(WICCA).hears()
    [answer] = hag.hears()
    assert (answer.get("from"), answer.get("id")) == (f"{ROOM}/secondwitch", "v")


def test_stray_replies(coven: Coven, hag: Client) -> None:
    hag.says(
        f"<iq type='result' id='x' to='{ROOM}/secondwitch'/>",
        f"<iq type='result' id='x' to='{ROOM}'/>",
        f"<iq type='result' id='x' to='nowhere@{SERVICE}/x'/>",
    )
    assert not coven.client(WICCA).hears()
    assert not hag.hears()
