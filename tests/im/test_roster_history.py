"""What has changed since a version: in order, each contact once, as far back as is known."""

from __future__ import annotations

from xmpp_server.im.roster_history import CONTACTS, RosterHistory
from xmpp_server.jid import JID

A, B = JID.parse("a@x.org"), JID.parse("b@x.org")


def test_nothing_has_changed_at_first() -> None:
    history = RosterHistory(7)
    assert history.after(7) == []
    assert history.after(6) is None


def test_the_last_change_of_a_contact_counts() -> None:
    history = RosterHistory(7)
    for contact, version in ((A, 8), (B, 9), (A, 11)):
        history.note(contact, version)
    assert history.after(7) == [(B, 9), (A, 11)]
    assert history.after(9) == [(A, 11)]
    assert history.after(10) == [(A, 11)]
    assert history.after(11) == []


def test_the_oldest_change_is_forgotten() -> None:
    history = RosterHistory(0)
    for number in range(CONTACTS + 2):
        history.note(JID.parse(f"{number}@x.org"), number + 1)
    assert history.after(1) is None
    missed = history.after(2)
    assert missed is not None
    assert missed[0] == (JID.parse("2@x.org"), 3)
    assert len(missed) == CONTACTS
