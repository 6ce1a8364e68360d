"""Tests of xmpp_server.net.s2s_presence: what is remembered is bounded, and forgotten in time."""

from __future__ import annotations

import pytest

from xmpp_server.jid import JID
from xmpp_server.net import s2s_presence
from xmpp_server.net.s2s_presence import Presences
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.stanza import Stanza

ROOM = JID.parse("coven@rooms.a.test/juliet")
ROMEO = JID.parse("romeo@a.test/x")


def ended(presences: Presences, domain: str) -> list[Stanza]:
    return list(presences.end(domain, lambda jid: jid.domainpart == "rooms.a.test", 10))


def note(presences: Presences, sender: str, kind: PresenceType = PresenceType.AVAILABLE) -> None:
    presences.note(presence.build(JID.parse(sender), ROMEO, kind))


def test_nothing_is_left_of_a_domain_whose_people_have_gone() -> None:
    presences = Presences()
    note(presences, "juliet@b.test/x")
    assert "b.test" in presences
    note(presences, "juliet@b.test/x", PresenceType.UNAVAILABLE)
    assert "b.test" not in presences
    assert not presences._seen
    assert not presences._bytes


def test_the_end_of_a_domain() -> None:
    presences = Presences()
    note(presences, "juliet@b.test/x")
    [end] = ended(presences, "b.test")
    assert (end.sender, end.to, end.type) == ("juliet@b.test/x", ROMEO, "unavailable")
    assert not ended(presences, "b.test")


def test_domains_and_people_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s_presence, "DOMAINS", 2)
    monkeypatch.setattr(s2s_presence, "SEEN", 1)
    presences = Presences()
    for sender in ("a@b.test/x", "b@b.test/x", "c@c.test/x", "d@d.test/x"):
        note(presences, sender)
    assert [len(ended(presences, domain)) for domain in ("b.test", "c.test", "d.test")] == [1, 1, 0]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server with many domains could name people without end."""
    monkeypatch.setattr(s2s_presence, "BYTES", 100_000)
    presences = Presences()
    for number in range(1000):
        note(presences, f"a@d{number % 10}.test/{'x' * 500}{number}")
    assert sum(len(seen) for seen in presences._seen.values()) < 50
    for number in range(1000):
        note(presences, f"a@d{number % 10}.test/{'x' * 500}{number}", PresenceType.UNAVAILABLE)
    assert (presences._seen, presences._bytes) == ({}, 0)


def test_a_domain_ends_in_portions() -> None:
    presences = Presences()
    for number in range(15):
        note(presences, f"u{number}@b.test/x")
    assert [len(ended(presences, "b.test")) for _ in range(3)] == [10, 5, 0]
    assert not presences._bytes


def in_room(presences: Presences, nick: str, *codes: str, kind: PresenceType = PresenceType.AVAILABLE) -> None:
    x = Element("x", MUC_USER)
    x.add("item", affiliation="none", role="participant")
    for code in codes:
        x.add("status", code=code)
    presences.note(presence.build(JID.parse(f"coven@b.test/{nick}"), ROMEO, kind, payloads=(x,)))


def test_a_room_that_is_gone_is_left_with_a_reason() -> None:
    # XEP-0045 §11.1: of many occupants one's own presence is remembered, and tells that one is out
    presences = Presences()
    for nick in ("hag", "crone"):
        in_room(presences, nick)
    assert "b.test" not in presences
    in_room(presences, "romeo", "100", "110")
    [end] = ended(presences, "b.test")
    assert (end.sender, end.to, end.type) == ("coven@b.test/romeo", ROMEO, "unavailable")
    x = end.element.find("x", MUC_USER)
    assert x is not None
    assert [status.get("code") for status in x.findall("status", MUC_USER)] == ["110", "333"]


def test_a_room_that_was_left_does_not_end() -> None:
    presences = Presences()
    in_room(presences, "romeo", "110")
    in_room(presences, "romeo", "110", "303", kind=PresenceType.UNAVAILABLE)
    in_room(presences, "oldromeo", "110")
    [end] = ended(presences, "b.test")
    assert end.sender == "coven@b.test/oldromeo"


def test_rooms_here_hear_of_an_error() -> None:
    # XEP-0045 §11.1: they tell the others by status 333 why somebody is out
    presences = Presences()
    presences.note(presence.build(JID.parse("juliet@b.test/x"), ROOM))
    [end] = ended(presences, "b.test")
    assert (end.sender, end.to, end.type) == ("juliet@b.test/x", ROOM, "error")
    error = end.element.find("error", CLIENT)
    assert error is not None
    assert error.find("remote-server-timeout", "urn:ietf:params:xml:ns:xmpp-stanzas") is not None
