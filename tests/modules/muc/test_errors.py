"""Every error condition that XEP-0045 names, in the order of its sections: when it comes, and with which error type."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import ADMIN, CRONE, ENTRY, HAG, ROOM, SERVICE, WICCA, Coven, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT

HECATE = "hecate@example.org/broom"
HEATH = f"heath@{SERVICE}"
OWNER = "http://jabber.org/protocol/muc#owner"
USER = "http://jabber.org/protocol/muc#user"
NICK = (
    "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
    "<value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'>"
    "<value>{}</value></field></x></query>"
)
FORM = (
    f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
    "<value>http://jabber.org/protocol/muc#roomconfig</value></field>{}</x></query>"
)
REGISTER = "<query xmlns='jabber:iq:register'/>"
DISCO = "<query xmlns='http://jabber.org/protocol/disco#{}'/>"


@dataclass(frozen=True)
class Row:
    """What `who` is answered, in a coven set up with `setup`, its lists with `items`."""

    section: str
    who: str
    says: str
    condition: str
    type: str
    setup: dict[str, str] = field(default_factory=dict)
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"§{self.section} {self.condition}"


def enters(nick: str, inside: str = "") -> str:
    return f"<presence id='q' to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>"


def iq(kind: str, payload: str, to: str = ROOM) -> str:
    return f"<iq id='q' type='{kind}' to='{to}'>{payload}</iq>"


def lists(*items: str) -> str:
    return iq("set", f"<query xmlns='{ADMIN}'>{''.join(items)}</query>")


def shows(attr: str) -> str:
    return iq("get", f"<query xmlns='{ADMIN}'><item {attr}/></query>")


def message(inside: str, to: str = ROOM, kind: str = "groupchat") -> str:
    return f"<message id='q' type='{kind}' to='{to}'>{inside}</message>"


def invites(jid: str) -> str:
    return message(f"<x xmlns='{USER}'><invite to='{jid}'/></x>", kind="normal")


def aff(jid: str, affiliation: str, nick: str = "") -> str:
    named = f" nick='{nick}'" if nick else ""
    return f"<item affiliation='{affiliation}' jid='{jid.split('/')[0]}'{named}/>"


def role(nick: str, role: str) -> str:
    return f"<item nick='{nick}' role='{role}'/>"


BODY = "<body>When shall we three meet again?</body>"
PASSWORD = {"passwordprotectedroom": "1", "roomsecret": "cauldronburn"}
MEMBERS = {"membersonly": "1"}
MODERATED = {"moderatedroom": "1"}
LOCKED_NICKS = {"x-muc#roomconfig_reservednick": "1"}
CLOSED = {"x-muc#roomconfig_registration": "0"}

#: In the room are CRONE as firstwitch, an owner, WICCA as secondwitch, an admin, and HAG as thirdwitch. HECATE is not.
ROWS = (
    Row("6.6", HECATE, iq("get", DISCO.format("info"), f"{ROOM}/firstwitch"), "bad-request", "modify"),
    Row("6.6", HECATE, iq("get", DISCO.format("items"), f"{ROOM}/firstwitch"), "bad-request", "modify"),
    Row("7.2.1", HECATE, f"<presence id='q' to='{ROOM}'>{ENTRY}</presence>", "jid-malformed", "modify"),
    Row("7.2.5", HECATE, enters("hecate"), "not-authorized", "auth", PASSWORD),
    Row("7.2.5", HECATE, enters("hecate", "<password>broom</password>"), "not-authorized", "auth", PASSWORD),
    Row("7.2.6", HECATE, enters("hecate"), "registration-required", "auth", MEMBERS),
    Row("7.2.7", HECATE, enters("hecate"), "forbidden", "auth", items=(aff(HECATE, "outcast"),)),
    Row("7.2.8", HECATE, enters("thirdwitch"), "conflict", "cancel"),
    Row("7.2.8", HECATE, enters("fourthwitch"), "conflict", "cancel", items=(aff(HAG, "member", "fourthwitch"),)),
    Row("7.2.9", HECATE, enters("hecate"), "service-unavailable", "wait", {"maxusers": "3"}),
    Row("7.2.10", HECATE, enters("hecate").replace(ROOM, HEATH), "item-not-found", "cancel"),
    Row("7.4", HAG, message(BODY), "forbidden", "auth", MODERATED, (role("thirdwitch", "visitor"),)),
    Row("7.4", HECATE, message(BODY), "not-acceptable", "modify"),
    Row("7.5", HAG, message(BODY, f"{ROOM}/firstwitch"), "bad-request", "modify"),
    Row("7.5", HAG, message(BODY, f"{ROOM}/nobody", "chat"), "item-not-found", "cancel"),
    Row("7.5", HECATE, message(BODY, f"{ROOM}/firstwitch", "chat"), "not-acceptable", "modify"),
    Row("7.6", HAG, f"<presence id='q' to='{ROOM}/firstwitch'/>", "conflict", "cancel"),
    Row("7.6", HAG, f"<presence id='q' to='{ROOM}/old'/>", "conflict", "cancel", items=(aff(HECATE, "member", "old"),)),
    Row(
        "7.6",
        HAG,
        f"<presence id='q' to='{ROOM}/oldhag'/>",
        "not-acceptable",
        "cancel",
        LOCKED_NICKS,
        (aff(HAG, "member", "thirdwitch"),),
    ),
    Row("7.8.2", HAG, invites("hecate@example.org"), "forbidden", "auth", MEMBERS, (aff(HAG, "member"),)),
    Row("7.8.2", HAG, invites("nobody@example.org"), "item-not-found", "cancel"),
    Row("7.10", HECATE, iq("get", REGISTER, f"moor@{SERVICE}"), "item-not-found", "cancel"),
    Row("7.10", HECATE, iq("get", REGISTER), "not-allowed", "cancel", MEMBERS),
    Row("7.10", HECATE, iq("set", NICK.format("old")), "conflict", "cancel", items=(aff(HAG, "member", "old"),)),
    Row("7.10", HECATE, iq("set", NICK.format("hecate")), "service-unavailable", "cancel", CLOSED),
    Row("7.10", HECATE, iq("set", REGISTER), "bad-request", "modify"),
    Row("7.12", HECATE, enters("old"), "conflict", "cancel", items=(aff(HAG, "member", "old"),)),
    Row("8", HAG, lists(role("secondwitch", "none")), "forbidden", "auth"),
    Row("8", HAG, shows("role='participant'"), "forbidden", "auth"),
    Row("8.1", HAG, message("<subject>Fire</subject>"), "forbidden", "auth"),
    Row("8.2", WICCA, lists(role("firstwitch", "none")), "not-allowed", "cancel"),
    Row("8.4", CRONE, lists(role("secondwitch", "visitor")), "not-allowed", "cancel", MODERATED),
    Row(
        "8.5",
        WICCA,
        lists(role("thirdwitch", "visitor"), role("firstwitch", "visitor")),
        "not-allowed",
        "cancel",
        MODERATED,
    ),
    Row("9", HAG, lists(aff(HECATE, "outcast")), "forbidden", "auth"),
    Row("9", HAG, lists(aff(HECATE, "member")), "forbidden", "auth"),
    Row("9", HAG, shows("affiliation='outcast'"), "forbidden", "auth"),
    Row("9.1", WICCA, lists(aff(CRONE, "outcast")), "not-allowed", "cancel"),
    Row("9.1", WICCA, lists(aff(WICCA, "outcast")), "conflict", "cancel"),
    Row("9.2", WICCA, lists(aff(HECATE, "outcast"), aff(CRONE, "outcast")), "not-allowed", "cancel"),
    Row("9.5", HAG, shows("affiliation='member'"), "forbidden", "auth"),
    Row("9.7", CRONE, lists(role("secondwitch", "participant")), "not-allowed", "cancel"),
    Row("9.8", WICCA, lists(role("thirdwitch", "moderator"), role("firstwitch", "visitor")), "not-allowed", "cancel"),
    Row("10.1.3", CRONE, iq("set", FORM.format(
        "<field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field>"
        "<field var='muc#roomconfig_roomsecret'><value/></field>")), "not-acceptable", "modify"),
    Row("10.2", WICCA, iq("get", f"<query xmlns='{OWNER}'/>"), "forbidden", "auth"),
    Row("10.2", WICCA, iq("set", FORM.format("")), "forbidden", "auth"),
    Row("10.2", CRONE, iq("set", FORM.format("<field var='muc#roomconfig_roomowners'/>")), "conflict", "cancel"),
    Row("10.3", WICCA, lists(aff(HAG, "owner")), "forbidden", "auth"),
    Row("10.4", WICCA, lists(aff(CRONE, "admin")), "forbidden", "auth"),
    Row("10.4", CRONE, lists(aff(CRONE, "admin")), "conflict", "cancel"),
    Row("10.5", HAG, shows("affiliation='owner'"), "forbidden", "auth"),
    Row("10.5", HAG, lists(aff(HAG, "owner")), "forbidden", "auth"),
    Row("10.5", CRONE, lists(aff(HAG, "member"), aff(CRONE, "none")), "conflict", "cancel"),
    Row("10.6", WICCA, lists(aff(HAG, "admin")), "forbidden", "auth"),
    Row("10.7", WICCA, lists(aff(WICCA, "member")), "forbidden", "auth"),
    Row("10.8", HAG, shows("affiliation='admin'"), "forbidden", "auth"),
    Row("10.8", HAG, lists(aff(HAG, "admin")), "forbidden", "auth"),
    Row("10.9", WICCA, iq("set", f"<query xmlns='{OWNER}'><destroy/></query>"), "forbidden", "auth"),
    Row("17.2", HAG, message(BODY, kind="chat"), "bad-request", "modify"),
    Row("17.2", HECATE, message(BODY, f"moor@{SERVICE}"), "item-not-found", "cancel"),
    Row("17.2", HECATE, message(BODY, HEATH), "item-not-found", "cancel"),
    Row("17.4", CRONE, lists("<item nick='thirdwitch' role='visitor' affiliation='member'/>"), "bad-request", "modify"),
    Row(
        "18.1.1",
        HAG,
        iq("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/muc#traffic'/>"),
        "service-unavailable",
        "cancel",
    ),
)  # fmt: skip

#: All that the specification names, by section. §7.2.17 only lists what the sections before it have.
NAMED = """
6.6 bad-request
7.2.5 not-authorized
7.2.6 registration-required
7.2.7 forbidden
7.2.8 conflict
7.2.9 service-unavailable
7.2.10 item-not-found
7.2.17 not-acceptable
7.4 forbidden
7.4 not-acceptable
7.5 bad-request
7.5 item-not-found
7.5 not-acceptable
7.6 conflict
7.6 not-acceptable
7.8.2 forbidden
7.8.2 item-not-found
7.10 item-not-found
7.10 not-allowed
7.10 conflict
7.10 service-unavailable
7.10 bad-request
7.12 feature-not-implemented
7.12 not-acceptable
7.12 conflict
8 forbidden
8.1 forbidden
8.2 not-allowed
8.2 conflict
8.4 not-allowed
8.5 not-allowed
9 forbidden
9.1 not-allowed
9.1 conflict
9.2 not-allowed
9.5 forbidden
9.7 not-allowed
9.8 not-allowed
10.1.1 not-allowed
10.1.3 not-acceptable
10.2 forbidden
10.2 conflict
10.3 forbidden
10.4 forbidden
10.4 conflict
10.4 not-authorized
10.5 forbidden
10.5 conflict
10.6 forbidden
10.7 forbidden
10.8 forbidden
10.9 forbidden
17.2 bad-request
17.2 forbidden
17.2 item-not-found
17.4 bad-request
18.1.1 feature-not-implemented
18.1.1 service-unavailable
"""
#: What the specification leaves to services, and this one does otherwise.
NOT_HERE = {
    "7.2.17 not-acceptable": "who has a registered nickname gets it, and status 210 (§7.10)",
    "7.12 not-acceptable": "the same",
    "7.12 feature-not-implemented": "the node is there",
    "8.2 conflict": "who kicks themselves is let go",
    "10.4 not-authorized": "owners may unmake one another",
    "17.2 forbidden": "who is not in the room: not-acceptable, as §7.4 and §7.5 say more exactly",
    "18.1.1 feature-not-implemented": "the node is there",
}
#: What has a test of its own below, and what is said of no nickname by an example alone.
OWN_TEST, BY_EXAMPLE = "10.1.1 not-allowed", "7.2.1 jid-malformed"


def test_no_condition_is_missing() -> None:
    rows = {f"{row.section} {row.condition}" for row in ROWS}
    assert {*NAMED.strip().splitlines()} == (rows - {BY_EXAMPLE}) | NOT_HERE.keys() | {OWN_TEST}


def type_of(answer: Element) -> str | None:
    error = answer.find("error", CLIENT)
    assert error is not None
    return error.get("type")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_errors(coven: Coven, row: Row) -> None:
    coven.founded(**row.setup)
    coven.administers(CRONE, aff(WICCA, "admin"))
    password = "<password>cauldronburn</password>" if row.setup is PASSWORD else ""
    if row.setup is MEMBERS:
        coven.administers(CRONE, aff(HAG, "member"))
    coven.enters(WICCA, "secondwitch", password)
    coven.enters(HAG, "thirdwitch", password)
    for one in row.items:
        assert coven.administers(CRONE, one).get("type") == "result"
    coven.enters(CRONE, "firstwitch", room=HEATH)  # and configures it later
    coven.client(HECATE)
    coven.quiet()
    before = [(occupant.nick, occupant.role, occupant.affiliation) for occupant in coven.open().room.occupants]
    client = coven.client(row.who)
    client.says(row.says)
    [answer] = [one for one in client.hears() if one.get("id") == "q"]
    assert (condition(answer), type_of(answer)) == (row.condition, row.type)
    after = [(occupant.nick, occupant.role, occupant.affiliation) for occupant in coven.open().room.occupants]
    assert after == before, "what is refused changes nothing"
    assert not coven.client(CRONE).hears() or row.who == CRONE


def test_creation_is_restricted() -> None:
    # §10.1.1
    coven = Coven(make_world(MucConfig(domain=SERVICE, create="admins")))
    hag = coven.client(HAG)
    hag.says(enters("thirdwitch"))
    [answer] = hag.hears()
    assert (condition(answer), type_of(answer)) == ("not-allowed", "cancel")
