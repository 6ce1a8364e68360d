"""XEP-0198 between servers: what is kept, for how long, and whose acknowledgement waits for it."""

from __future__ import annotations

import pytest

from xmpp_server.core.receipts import Ledger
from xmpp_server.errors import StreamError
from xmpp_server.jid import JID
from xmpp_server.net import s2s_acknowledgement
from xmpp_server.net.s2s_acknowledgement import ACKNOWLEDGE_S, ANSWER_S, Acknowledgements, let_go
from xmpp_server.stanzas import message, presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.streams import sm_nonzas
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import SM
from xmpp_server.xml.stanza import Stanza

ROMEO, JULIET = JID.parse("romeo@a.test/x"), JID.parse("juliet@b.test/x")


class Kept:
    """The acknowledgements of one stream, with what they have written and a sender who counts."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.counts = Acknowledgements(self.written.append)
        self.sender = Ledger()

    def send(self, count: int = 1, now: float = 0.0) -> None:
        for _ in range(count):
            stanza = message.build(ROMEO, JULIET)
            stanza.receipt = self.sender.receive()
            self.counts.sent(stanza, now)

    def answer(self, h: int | str, now: float = 0.0) -> None:
        self.counts.take(Stanza.build(Element("a", SM, {"h": str(h)}), None, None), now)

    @property
    def asked(self) -> int:
        return self.written.count(sm_nonzas.REQUEST)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_message_is_not_safe_before_the_peer_has_it(kept: Kept) -> None:
    kept.send(3)
    assert kept.sender.safe == 0
    kept.answer(2)
    assert kept.sender.safe == 2
    kept.answer(3)
    assert kept.sender.safe == 3
    assert not len(kept.counts)


def test_what_is_given_to_another_link_is_not_safe_meanwhile(kept: Kept) -> None:
    kept.send(2)
    stanzas = kept.counts.clear()
    assert len(stanzas) == 2
    assert kept.sender.safe == 0
    let_go(stanzas)
    assert kept.sender.safe == 2


def test_presence_waits_for_nobody(kept: Kept) -> None:
    stanza = presence.build(ROMEO, JULIET, PresenceType.AVAILABLE)
    stanza.receipt = kept.sender.receive()
    kept.counts.sent(stanza, 0.0)
    assert kept.sender.safe == 1
    kept.answer(1)


def test_one_request_at_a_time(kept: Kept) -> None:
    kept.send(5)
    assert kept.asked == 1
    kept.answer(1)
    assert kept.asked == 2
    kept.answer(5)
    assert kept.asked == 2


def test_an_answer_that_is_no_progress_is_not_followed_by_a_request(kept: Kept) -> None:
    """Else a peer that stands still, and we, would talk as fast as the network can."""
    kept.send(5)
    for _ in range(10):
        kept.answer(0)
    assert kept.asked == 1
    kept.counts.request(1.0)
    assert kept.asked == 2


def test_a_peer_that_answers_and_acknowledges_nothing_is_overdue(kept: Kept) -> None:
    """Whoever has written to it waits for its acknowledgement."""
    kept.send()
    for now in range(int(ACKNOWLEDGE_S)):
        kept.counts.request(now)
        kept.answer(0, now)
    assert not kept.counts.overdue(ACKNOWLEDGE_S)
    assert kept.counts.overdue(ACKNOWLEDGE_S + 1)


def test_a_peer_that_is_slow_has_more_time_but_not_all_of_it(kept: Kept) -> None:
    kept.send()
    kept.answer(0)
    kept.send(1000)
    kept.answer(1, 1.0)
    for now in range(2, int(ANSWER_S) + 1):
        assert not kept.counts.overdue(now)
        kept.answer(now, now)
    assert kept.counts.overdue(ANSWER_S + 2)


def test_a_peer_that_keeps_up_is_never_overdue(kept: Kept) -> None:
    """With something always under way."""
    for now in range(int(3 * ACKNOWLEDGE_S)):
        kept.send(2, now)
        kept.answer(2 * now + 1, now)
        assert not kept.counts.overdue(now + 2)
        assert len(kept.counts) == 1


def test_silence_is_asked_about(kept: Kept) -> None:
    kept.counts.request(5.0)
    assert kept.counts.overdue(6.0 + ACKNOWLEDGE_S)
    kept.answer(0)
    assert not kept.counts.overdue(6.0 + ACKNOWLEDGE_S)


def test_stanzas_and_bytes_are_bounded(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s2s_acknowledgement, "UNACKNOWLEDGED", 3)
    kept.send(2)
    assert not kept.counts.full
    kept.send()
    assert kept.counts.full
    kept.send()
    monkeypatch.setattr(s2s_acknowledgement, "UNACKNOWLEDGED", 100)
    monkeypatch.setattr(s2s_acknowledgement, "UNACKNOWLEDGED_BYTES", 200)
    assert kept.counts.full
    kept.answer(3)
    assert not kept.counts.full
    kept.send(10)
    kept.counts.clear()
    assert not kept.counts.full


@pytest.mark.parametrize("h", ["2", "-1", "x", "", str(2**32 - 1)])
def test_counts_that_cannot_be(kept: Kept, h: str) -> None:
    kept.send()
    with pytest.raises(StreamError):
        kept.answer(h)
    assert len(kept.counts) == 1
    assert kept.sender.safe == 0
