"""Tests of xmpp_server.net.s2s_presence: what is remembered is bounded, and forgotten in time."""

from __future__ import annotations

import pytest

from xmpp_server.jid import JID
from xmpp_server.net import s2s_presence
from xmpp_server.net.s2s_presence import Presences
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType

ROMEO = JID.parse("romeo@a.test/x")


def note(presences: Presences, sender: str, kind: PresenceType = PresenceType.AVAILABLE) -> None:
    presences.note(presence.build(JID.parse(sender), ROMEO, kind))


def test_nothing_is_left_of_a_domain_whose_people_have_gone() -> None:
    presences = Presences()
    note(presences, "juliet@b.test/x")
    assert "b.test" in presences
    note(presences, "juliet@b.test/x", PresenceType.UNAVAILABLE)
    assert "b.test" not in presences
    assert not presences._seen


def test_the_end_of_a_domain() -> None:
    presences = Presences()
    note(presences, "juliet@b.test/x")
    [end] = presences.end("b.test")
    assert (end.sender, end.to, end.type) == ("juliet@b.test/x", ROMEO, "unavailable")
    assert not list(presences.end("b.test"))


def test_domains_and_people_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s_presence, "DOMAINS", 2)
    monkeypatch.setattr(s2s_presence, "SEEN", 1)
    presences = Presences()
    for sender in ("a@b.test/x", "b@b.test/x", "c@c.test/x", "d@d.test/x"):
        note(presences, sender)
    assert [len(list(presences.end(domain))) for domain in ("b.test", "c.test", "d.test")] == [1, 1, 0]
