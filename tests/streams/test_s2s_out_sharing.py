"""One stream for more than one pair: both directions (XEP-0288), and further pairs (XEP-0220 §2.6)."""

from __future__ import annotations

import pytest

from tests.streams.s2s_driver import (
    FOREIGN,
    OTHER,
    OURS,
    PEER,
    SASL,
    SECRET,
    Outbound,
    header,
    message,
    result,
)
from tests.streams.test_s2s_out import AGAIN, DIALBACK, EXTERNAL, NOTHING, claim
from xmpp_server.errors import StreamCondition
from xmpp_server.streams import dialback
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Purpose
from xmpp_server.streams.s2s_events import Claimed, Ready
from xmpp_server.streams.s2s_out import PAIRS

BIDI = DIALBACK.replace(b"</stream:features>", b"<bidi xmlns='urn:xmpp:features:bidi'/></stream:features>")


def both_ways() -> Outbound:
    driver = Outbound()
    assert driver.secure(BIDI) == b"<bidi xmlns='urn:xmpp:bidi'/>" + claim("s2")
    driver.send(result(PEER, OURS, "", " type='valid'"))
    return driver


def test_both_directions_over_one_stream():
    """XEP-0288 §2.1."""
    driver = both_ways()
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    [stanza] = driver.stanzas
    assert str(stanza.sender) == f"r@{PEER}"


@pytest.mark.parametrize(
    ("sender", "target"),
    [(f"r@{FOREIGN}", f"j@{OURS}"), (f"r@{PEER}", f"j@{OTHER}"), (f"r@{OURS}", f"j@{OURS}"), ("", f"j@{OURS}")],
)
def test_nobody_else_gets_in_by_the_other_direction(sender, target):
    driver = both_ways()
    driver.send(message(sender, target))
    driver.assert_ended(StreamCondition.INVALID_FROM)
    assert driver.stanzas == []


def test_a_domain_that_was_blocked_meanwhile_does_not_get_in_by_the_other_direction():
    """As on the streams that it opens."""
    driver = both_ways()
    driver.policy.blocked = frozenset({PEER})
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.INVALID_FROM)
    assert driver.stanzas == []


def test_no_stanza_before_we_have_authenticated():
    driver = Outbound()
    driver.secure(BIDI)
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_questions_need_no_second_direction():
    driver = Outbound(purpose=Purpose.VERIFY)
    assert driver.secure(BIDI) == b""


def test_acknowledgements():
    """XEP-0198: the peer's features tell whether it counts."""
    driver = Outbound()
    driver.secure(DIALBACK.replace(b"</stream:features>", b"<sm xmlns='urn:xmpp:sm:3'/></stream:features>"))
    driver.send(
        result(PEER, OURS, "", " type='valid'"), b"<enabled xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/>"
    )
    assert driver.of(Ready) == [Ready("dialback", acknowledges=True)]
    assert [stanza.name for stanza in driver.stanzas] == ["enabled", "a"]


ERRORS = DIALBACK.replace(b"'/>", b"'><errors/></dialback>")
FURTHER = Pair(OTHER, PEER)


def shareable(features: bytes = ERRORS) -> Outbound:
    driver = Outbound()
    driver.secure(features)
    driver.send(result(PEER, OURS, "", " type='valid'"))
    return driver


def test_one_more_pair_on_the_same_stream():
    """XEP-0220 §2.6."""
    driver = shareable()
    assert driver.stream.claim(FURTHER)
    assert driver.flush() == result(OTHER, PEER, dialback.make_key(SECRET, PEER, OTHER, "s2"))
    assert FURTHER not in driver.stream.pairs
    driver.send(result(PEER, OTHER, "", " type='valid'"))
    assert driver.of(Claimed) == [Claimed(FURTHER, Verdict.VALID)]
    assert driver.stream.pairs == {Pair(OURS, PEER), FURTHER}


@pytest.mark.parametrize("features", [DIALBACK, NOTHING])
def test_no_more_pairs_where_a_failure_would_end_the_stream(features):
    """XEP-0220 §2.4.2: only servers that say so answer with an error and go on."""
    driver = shareable(features)
    assert not driver.stream.shareable
    assert not driver.stream.claim(FURTHER)


def test_what_was_said_in_clear_of_further_pairs_is_forgotten():
    driver = Outbound()
    starttls = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
    driver.send(header(PEER, OURS, "id='s1' version='1.0'"), ERRORS.replace(b"</stream:features>", starttls))
    driver.send(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    driver.stream.tls_established(trusted=False)
    driver.send(header(PEER, OURS, "id='s2' version='1.0'"), DIALBACK, result(PEER, OURS, "", " type='valid'"))
    assert driver.of(Ready)
    assert not driver.stream.shareable


def test_features_before_external_count():
    """ejabberd tells of dialback only then; keys are made for the stream that follows."""
    driver = Outbound()
    driver.secure(EXTERNAL.replace(b"</stream:features>", ERRORS.removeprefix(b"<stream:features>")))
    driver.send(f"<success {SASL}/>".encode(), AGAIN, NOTHING)
    assert driver.of(Ready) == [Ready("EXTERNAL")]
    driver.flush()
    assert driver.stream.claim(FURTHER)
    assert driver.flush() == result(OTHER, PEER, dialback.make_key(SECRET, PEER, OTHER, "s3"))


@pytest.mark.parametrize(
    ("kind", "verdict"), [("invalid", Verdict.INVALID), ("error", Verdict.ERROR), ("", Verdict.ERROR)]
)
def test_a_pair_that_the_peer_does_not_take_leaves_the_others(kind, verdict):
    driver = shareable()
    driver.stream.claim(FURTHER)
    driver.send(result(PEER, OTHER, "", f" type='{kind}'" if kind else ""))
    assert driver.of(Claimed) == [Claimed(FURTHER, verdict)]
    assert driver.stream.pairs == {Pair(OURS, PEER)}
    assert not driver.stream.closed


def test_pairs_that_were_not_claimed_are_not_taken():
    driver = shareable()
    driver.stream.claim(FURTHER)
    driver.send(result(FOREIGN, OTHER, "", " type='valid'"), result(PEER, FOREIGN, "", " type='valid'"))
    assert driver.of(Claimed) == []
    assert driver.stream.pairs == {Pair(OURS, PEER)}


def test_a_pair_is_claimed_once_and_pairs_are_bounded():
    driver = shareable()
    assert driver.stream.claim(FURTHER)
    assert not driver.stream.claim(FURTHER)
    for number in range(PAIRS - 2):
        assert driver.stream.claim(Pair(f"d{number}.{OURS}", PEER))
    assert not driver.stream.claim(Pair(OURS, FOREIGN))


def test_further_pairs_may_speak_the_other_way_once_they_are_taken():
    """XEP-0288 §2.1: the inverse of any pair of a dialback request."""
    offer = ERRORS.replace(b"</stream:features>", b"<bidi xmlns='urn:xmpp:features:bidi'/></stream:features>")
    for taken in (True, False):
        driver = shareable(offer)
        driver.stream.claim(FURTHER)
        if taken:
            driver.send(result(PEER, OTHER, "", " type='valid'"))
        driver.send(message(f"r@{PEER}", f"room@{OTHER}"))
        assert len(driver.stanzas) == taken
        assert driver.stream.closed != taken
