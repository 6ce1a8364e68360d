"""XEP-0463: versions of the affiliations."""

from __future__ import annotations

import pytest

from tests.modules.conftest import condition
from tests.modules.muc.conftest import CRONE, HAG, ROOM, WICCA, Coven, codes
from xmpp_server.jid import JID
from xmpp_server.modules.muc.broadcast import AFFILIATIONS as MAV
from xmpp_server.modules.muc.journal import REMEMBERED, Journal
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, MUC_USER


@pytest.fixture
def coven(coven: Coven) -> Coven:
    """A private room: members see all."""
    coven.founded(membersonly="1", whois="anyone", persistentroom="1")
    make(coven, "member", "hag66")
    coven.quiet()
    return coven


def make(coven: Coven, affiliation: str, name: str) -> None:
    coven.administers(CRONE, f"<item affiliation='{affiliation}' jid='{name}@example.org'/>")


def versions(stanza: Element) -> tuple[str | None, str | None] | None:
    x = stanza.find("x", MUC_USER)
    mav = None if x is None else x.find("mav", MAV)
    return None if mav is None else (mav.get("since"), mav.get("until"))


def items(message: Element) -> dict[str, str]:
    x = message.find("x", MUC_USER)
    assert x is not None
    return {(one.get("jid") or "").split("@")[0]: one.get("affiliation") or "" for one in x.findall("item", MUC_USER)}


def enters(coven: Coven, since: str | None = None, jid: str = HAG) -> list[Element]:
    """What is heard up to the own presence."""
    attr = "" if since is None else f" since='{since}'"
    client = coven.client(jid)
    client.says(f"<presence type='unavailable' to='{ROOM}/x'/>")
    heard = coven.enters(jid, jid.split("@")[0], f"<mav xmlns='{MAV}'{attr}/>").hears()
    own = next(i for i, one in enumerate(heard) if one.name == "presence" and "110" in codes(one))
    return heard[: own + 1]


def known(coven: Coven) -> str:
    """Enter, and return the version."""
    found = versions(enters(coven)[-1])
    assert found is not None
    return found[1] or ""


def test_everything(coven: Coven) -> None:
    # §5.1, §5.2.1
    message, _, own = enters(coven)
    current = coven.open().room.journal.version
    assert versions(message) == (None, current)
    assert items(message) == {"crone1": "owner", "hag66": "member"}
    assert versions(own) == (None, current)


def test_nothing_new(coven: Coven) -> None:
    current = known(coven)
    heard = enters(coven, current)
    assert [one.name for one in heard] == ["presence", "presence"]
    assert versions(heard[-1]) == (None, current)


def test_what_is_new(coven: Coven) -> None:
    make(coven, "member", "gone")
    since = known(coven)
    make(coven, "admin", "wiccarocks")
    make(coven, "none", "gone")
    make(coven, "outcast", "spy")
    message = enters(coven, since)[0]
    assert versions(message) == (since, coven.open().room.journal.version)
    # members do not know the outcasts
    assert items(message) == {"wiccarocks": "admin", "gone": "none", "spy": "none"}
    assert items(enters(coven, since, WICCA)[0])["spy"] == "outcast"


@pytest.mark.parametrize("since", ["nonsense", "1-0000000000000000", "99-0", "", "é", "-1-x"])
def test_unknown_versions(coven: Coven, since: str) -> None:
    message = enters(coven, since)[0]
    assert versions(message) == (None, coven.open().room.journal.version)
    assert "crone1" in items(message)


def test_changes_are_told(coven: Coven) -> None:
    # §5.2.2
    first = known(coven)
    hag = coven.client(HAG)
    hag.hears()
    make(coven, "member", "wiccarocks")
    [message] = [one for one in hag.hears() if one.name == "message"]
    second = coven.open().room.journal.version
    assert versions(message) == (first, second)
    make(coven, "admin", "hag66")
    [presence] = hag.hears()
    assert versions(presence) == (second, coven.open().room.journal.version)
    # what is no change has no version
    make(coven, "admin", "hag66")
    assert all(versions(one) is None for one in hag.hears())


def test_not_for_everybody(coven: Coven) -> None:
    # §5.2.3
    coven.configures(membersonly="0", whois="moderators")
    refused, *_, own = enters(coven, None, "juliet@example.org/x")
    assert condition(refused) == "forbidden"
    assert refused.get("from") == ROOM
    assert versions(own) is None


def test_who_does_not_ask_is_not_told(coven: Coven) -> None:
    assert all(versions(one) is None for one in coven.enters(HAG, "hag").hears())


def test_over_a_sleep_and_an_end(coven: Coven) -> None:
    since = known(coven)
    for jid in (CRONE, HAG):
        coven.client(jid).says(f"<presence type='unavailable' to='{ROOM}/x'/>")
    coven.world.runtime.advance(600)
    assert coven.muc.rooms.get("coven") is None
    assert all(one.name == "presence" for one in enters(coven, since))
    coven.asks(CRONE, "set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
    coven.founded(whois="anyone", membersonly="1")
    make(coven, "member", "hag66")
    assert versions(enters(coven, since)[0]) == (None, coven.open().room.journal.version)


def test_long_lists(coven: Coven) -> None:
    for number in range(501):
        make(coven, "member", f"u{number}")
    one, other = enters(coven)[:2]
    first, second = versions(one), versions(other)
    assert first is not None
    assert second == (first[1], coven.open().room.journal.version)
    assert len(items(one)) + len(items(other)) == 503


def test_old_changes_are_forgotten() -> None:
    journal = Journal(b"secret")
    first = journal.version
    for number in range(REMEMBERED):
        journal.note(JID.parse(f"u{number}@example.org"))
    assert len(journal.since(first) or ()) == REMEMBERED
    journal.note(JID.parse("last@example.org"))
    assert journal.since(first) is None
    assert journal.since(journal.version) == []


def test_discovered(coven: Coven) -> None:
    assert MAV in str(coven.asks(CRONE, "get", f"<query xmlns='{DISCO_INFO}'/>"))
