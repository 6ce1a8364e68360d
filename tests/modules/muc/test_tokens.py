"""XEP-0488: invitations by tokens."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, SERVICE, WICCA, Coven, item, make_world
from xmpp_server.modules.muc import MucConfig
from xmpp_server.modules.muc.tokens import TOKENS
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DISCO_INFO


@pytest.fixture
def coven(coven: Coven) -> Coven:
    coven.founded(membersonly="1", persistentroom="1")
    return coven


def requested(coven: Coven, attrs: str = "", jid: str = CRONE) -> Element:
    answer = coven.asks(jid, "set", f"<request xmlns='{TOKENS}'{attrs}/>")
    token = answer.find("token", TOKENS)
    assert token is not None, answer
    return token


def listed(coven: Coven, jid: str = CRONE) -> list[Element]:
    tokens = coven.asks(jid, "get", f"<tokens xmlns='{TOKENS}'/>").find("tokens", TOKENS)
    assert tokens is not None
    return list(tokens.elements())


def revoke(coven: Coven, text: str, jid: str = CRONE) -> Element:
    return coven.asks(jid, "set", f"<revoke xmlns='{TOKENS}'>{text}</revoke>")


def enters(coven: Coven, jid: str, token: str) -> Element:
    return coven.enters(jid, jid.split("@")[0], f"<password>{token}</password>").hears()[-2]


def affiliation(coven: Coven, jid: str) -> str:
    return coven.open().room.affiliation(coven.client(jid).account.jid).text


def test_discovered(coven: Coven) -> None:
    assert TOKENS in str(coven.asks(HAG, "get", f"<query xmlns='{DISCO_INFO}'/>"))


def test_used(coven: Coven) -> None:
    # §4.2, §4.5
    token = requested(coven)
    assert token.get("counter") is None
    assert token.get("delay") == "2678400"
    coven.enters(HAG, "hag", f"<password>{token.text}</password>")
    assert affiliation(coven, HAG) == "member"
    # affiliated ones need none, and use none up
    coven.client(HAG).leaves()
    assert coven.open().room.occupants.of(coven.client(CRONE).account.jid)
    assert enters(coven, "hag66@example.org/pda2", "anything").name == "presence"
    assert [one.text for one in listed(coven)] == [token.text]


def test_counted(coven: Coven) -> None:
    # §4.3, §4.6
    token = requested(coven, " counter='2' delay='60'")
    assert (token.get("counter"), token.get("delay")) == ("2", "60")
    coven.enters(HAG, "hag", f"<password>{token.text}</password>")
    [left] = listed(coven)
    assert (left.get("counter"), left.get("creator")) == ("1", "crone1@example.org")
    coven.enters(WICCA, "wicca", f"<password>{token.text}</password>")
    assert listed(coven) == []
    [refused] = coven.enters("juliet@example.org/x", "juliet", f"<password>{token.text}</password>").hears()
    assert condition(refused) == "not-authorized"
    error = refused.find("error", CLIENT)
    assert error is not None
    assert error.find("expired-token", TOKENS) is not None
    assert affiliation(coven, "juliet@example.org/x") == "none"


def test_expired(coven: Coven) -> None:
    token = requested(coven, " delay='60'")
    coven.world.runtime.advance(61)
    [refused] = coven.enters(HAG, "hag", f"<password>{token.text}</password>").hears()
    assert condition(refused) == "not-authorized"
    requested(coven)
    assert len(listed(coven)) == 1
    assert token.text not in str(coven.open().room.config.more)


def test_wrong(coven: Coven) -> None:
    requested(coven)
    [refused] = coven.enters(HAG, "hag", "<password>guess</password>").hears()
    assert condition(refused) == "registration-required"
    coven.administers(CRONE, "<item affiliation='outcast' jid='hag66@example.org'/>")
    [refused] = coven.enters(HAG, "hag", f"<password>{requested(coven).text}</password>").hears()
    assert condition(refused) == "forbidden"


def test_instead_of_a_password(coven: Coven) -> None:
    coven.configures(roomsecret="cauldronburn")
    token = requested(coven)
    presence = coven.enters(HAG, "hag", f"<password>{token.text}</password>").hears()[-2]
    assert item(presence).get("affiliation") == "member"


def test_revoked(coven: Coven) -> None:
    # §4.7
    token = requested(coven)
    assert revoke(coven, token.text).get("type") == "result"
    assert condition(revoke(coven, token.text)) == "item-not-found"
    [refused] = coven.enters(HAG, "hag", f"<password>{token.text}</password>").hears()
    assert condition(refused) == "registration-required"


def test_who_may(coven: Coven) -> None:
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    for kind, payload in ("set", "request"), ("get", "tokens"), ("set", "revoke"):
        assert condition(coven.asks(HAG, kind, f"<{payload} xmlns='{TOKENS}'/>")) == "forbidden"
    coven.configures(allowinvites="1")
    theirs, admins = requested(coven, jid=HAG), requested(coven)
    assert [one.text for one in listed(coven, HAG)] == [theirs.text]
    assert len(listed(coven)) == 2
    assert condition(revoke(coven, admins.text, HAG)) == "item-not-found"
    assert revoke(coven, theirs.text).get("type") == "result"
    assert condition(coven.asks(CRONE, "set", f"<request xmlns='{TOKENS}' counter='0'/>")) == "bad-request"


@pytest.mark.parametrize("affiliation", ["none", "outcast"])
def test_who_may_no_longer_invite_has_invited_nobody(coven: Coven, affiliation: str) -> None:
    coven.configures(allowinvites="1")
    coven.administers(CRONE, "<item affiliation='member' jid='hag66@example.org'/>")
    token = requested(coven, jid=HAG)
    coven.administers(CRONE, f"<item affiliation='{affiliation}' jid='hag66@example.org'/>")
    [refused] = coven.enters(WICCA, "wicca", f"<password>{token.text}</password>").hears()
    assert condition(refused) == "registration-required"
    assert condition(coven.enters(HAG, "hag", f"<password>{token.text}</password>").hears()[-1]) is not None


def test_limits() -> None:
    coven = Coven(make_world(MucConfig(domain=SERVICE, token_s=100)))
    coven.founded()
    assert requested(coven, " delay='5000'").get("delay") == "100"
    for _ in range(99):
        requested(coven)
    assert condition(coven.asks(CRONE, "set", f"<request xmlns='{TOKENS}'/>")) == "resource-constraint"
