"""XEP-0045 §7.8: mediated invitations and declines; XEP-0249: direct ones."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, SERVICE, Coven, make_world
from tests.world import Client
from xmpp_server.modules.muc import MucConfig
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC_USER

HECATE = "hecate@example.org/broom"


def invite(client: Client, to: str = "hecate@example.org", inside: str = "") -> None:
    client.says(f"<message to='{ROOM}' id='i'><x xmlns='{MUC_USER}'><invite to='{to}'>{inside}</invite></x></message>")


def decline(client: Client, to: str) -> None:
    client.says(
        f"<message to='{ROOM}' id='d'><x xmlns='{MUC_USER}'>"
        f"<decline to='{to}'><reason>busy</reason></decline></x></message>"
    )


def x_of(message: Element) -> Element:
    x = message.find("x", MUC_USER)
    assert x is not None
    return x


@pytest.fixture
def hecate(coven: Coven) -> Client:
    return coven.client(HECATE)


def test_an_invitation(coven: Coven, hecate: Client) -> None:
    # §7.8.2
    owner = coven.founded(passwordprotectedroom="1", roomsecret="cauldronburn")
    invite(owner, inside="<reason>come</reason><continue thread='t'/><other xmlns='urn:x'/>")
    [message] = hecate.hears()
    assert (message.get("from"), message.get("id")) == (ROOM, "i")
    invitation, password = x_of(message).elements()
    assert invitation.get("from") == "crone1@example.org"
    assert [child.name for child in invitation.elements()] == ["reason", "continue"]
    assert password.text == "cauldronburn"
    assert coven.open().room.affiliation(hecate.account.jid) is Affiliation.NONE


def test_a_decline(coven: Coven, hecate: Client) -> None:
    owner = coven.founded()
    for member in ("crone1@example.org", f"{ROOM}/firstwitch"):  # nor do they learn who is a member
        decline(hecate, member)
        assert condition(hecate.hears()[0]) == "item-not-found"
    assert not owner.hears()
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    decline(hecate, "hag66@example.org")
    assert condition(hecate.hears()[0]) == "item-not-found"
    invite(hag)
    hecate.hears()
    decline(hecate, "hag66@example.org")
    [message] = hag.hears()
    [declined] = x_of(message).elements()
    assert (declined.name, declined.get("from")) == ("decline", "hecate@example.org")
    decline(hecate, "hag66@example.org")  # once
    assert condition(hecate.hears()[0]) == "item-not-found"


def test_a_decline_of_who_was_made_a_member(coven: Coven, hecate: Client) -> None:
    owner = coven.founded(membersonly="1")
    coven.administers(CRONE, "<item affiliation='member' jid='hecate@example.org'/>")
    [message] = hecate.hears()
    assert x_of(message).find("invite", MUC_USER) is not None
    coven.quiet()
    decline(hecate, "crone1@example.org")
    assert [child.name for child in x_of(owner.hears()[0]).elements()] == ["decline"]


def test_invited_is_member(coven: Coven, hecate: Client) -> None:
    # §7.8.2: in a members-only room; one invitation, not two
    owner = coven.founded(membersonly="1")
    invite(owner)
    assert len(hecate.hears()) == 1
    assert coven.open().room.affiliation(hecate.account.jid) is Affiliation.MEMBER


def test_members_who_invite(coven: Coven, hecate: Client) -> None:
    # §9.5
    coven.founded(membersonly="1")
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    hag = coven.enters(HAG, "thirdwitch")
    coven.quiet()
    invite(hag)
    assert condition(hag.hears()[0]) == "forbidden"
    coven.configures(allowinvites="1")
    coven.quiet()
    invite(hag)
    assert len(hecate.hears()) == 1


@pytest.mark.parametrize(("to", "reason"), [("@", "jid-malformed"), ("", "jid-malformed"), ("outcast@x.example", None)])
def test_invitations_that_fail(coven: Coven, to: str, reason: str | None) -> None:
    owner = coven.founded()
    coven.administers(CRONE, "<item affiliation='outcast' jid='outcast@x.example'/>")
    invite(owner, to)
    assert condition(owner.hears()[-1]) == (reason or "not-allowed")


def test_strangers_do_not_invite(coven: Coven, hecate: Client) -> None:
    coven.founded()
    stranger = coven.client("stranger@example.org/x")
    invite(stranger)
    assert condition(stranger.hears()[0]) == "not-acceptable"
    coven.enters("other@example.org/x", "other", room=f"locked@{SERVICE}")
    coven.quiet()
    other = coven.client("other@example.org/x")
    other.says(f"<message to='locked@{SERVICE}'><x xmlns='{MUC_USER}'><invite to='{HECATE}'/></x></message>")
    assert condition(other.hears()[0]) == "item-not-found"
    assert not hecate.hears()


def test_too_many_invitations() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, invitations_per_minute=2)))
    owner = coven.founded()
    for _ in range(3):
        invite(owner, "nobody@nowhere.example")
    assert "policy-violation" in [condition(one) for one in owner.hears() if one.get("type") == "error"]
    many = "".join(f"<invite to='u{n}@example.org'/>" for n in range(21))
    owner.says(f"<message to='{ROOM}'><x xmlns='{MUC_USER}'>{many}</x></message>")
    assert condition(owner.hears()[-1]) == "not-acceptable"


def test_what_is_neither(coven: Coven) -> None:
    owner = coven.founded()
    owner.says(f"<message to='{ROOM}'><x xmlns='{MUC_USER}'/></message>")
    assert condition(owner.hears()[0]) == "bad-request"


def test_direct_invitations_pass(coven: Coven, hecate: Client) -> None:
    # XEP-0249
    owner = coven.founded()
    owner.says(f"<message to='{HECATE}'><x xmlns='jabber:x:conference' jid='{ROOM}'/></message>")
    [message] = hecate.hears()
    assert message.get("from") == CRONE
