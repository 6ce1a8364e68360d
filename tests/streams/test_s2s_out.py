"""The initiating server's side of a stream: what it tells about itself, and what it takes from a hostile peer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.s2s_driver import (
    FOREIGN,
    OURS,
    PEER,
    SASL,
    SECRET,
    Outbound,
    Policy,
    header,
    message,
    result,
    verify,
)
from xmpp_server.errors import StreamCondition
from xmpp_server.streams import dialback
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Purpose, Rules
from xmpp_server.streams.s2s_events import Ready, Verified
from xmpp_server.streams.s2s_out import OPEN_QUESTIONS

EXTERNAL = (
    f"<stream:features><mechanisms {SASL}><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>".encode()
)
DIALBACK = b"<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"
NOTHING = b"<stream:features/>"
BOTH = EXTERNAL.replace(b"</stream:features>", b"<dialback xmlns='urn:xmpp:features:dialback'/></stream:features>")
AUTH = f"<auth {SASL} mechanism='EXTERNAL'>b3Vycy5leGFtcGxl</auth>".encode()
AGAIN = header(PEER, OURS, "id='s3' version='1.0'")


def claim(stream_id: str) -> bytes:
    return result(OURS, PEER, dialback.make_key(SECRET, PEER, OURS, stream_id))


def ready(purpose: Purpose = Purpose.STANZAS) -> Outbound:
    driver = Outbound(purpose=purpose)
    driver.secure(DIALBACK)
    if purpose is Purpose.STANZAS:
        driver.send(result(PEER, OURS, "", " type='valid'"))
    assert driver.of(Ready)
    return driver


def test_external():
    driver = Outbound(Policy(Rules(dialback=False)), trusted=True)
    assert driver.secure(EXTERNAL) == AUTH
    driver.send(f"<success {SASL}/>".encode(), AGAIN, NOTHING)
    assert driver.of(Ready) == [Ready("EXTERNAL")]
    assert driver.stream.deadline is None


def test_a_peer_that_reads_no_initial_response():
    driver = Outbound()
    driver.secure(EXTERNAL)
    assert driver.send(f"<challenge {SASL}/>".encode()) == f"<response {SASL}>b3Vycy5leGFtcGxl</response>".encode()


def test_dialback():
    driver = Outbound()
    assert driver.secure(DIALBACK) == claim("s2")
    driver.send(result(PEER, OURS, "", " type='valid'"))
    assert driver.of(Ready) == [Ready("dialback")]


def test_dialback_after_external_failed():
    driver = Outbound()
    assert driver.secure(BOTH) == AUTH
    assert driver.send(f"<failure {SASL}><not-authorized/></failure>".encode()) == claim("s2")


FAILURE = f"<failure {SASL}><not-authorized/></failure>".encode()


@pytest.mark.parametrize("words", [b"", FAILURE, FAILURE + b"</stream:stream>", b"</stream:stream>"])
def test_a_peer_that_hangs_up_over_our_certificate(words):
    """XEP-0178 §3: it may do so; then there is dialback on a stream of its own, where it is allowed."""
    for allowed in (True, False):
        driver = Outbound(Policy(Rules(dialback=allowed)), trusted=True)
        driver.secure(BOTH)
        driver.send(words)
        driver.stream.lost()
        assert driver.stream.disbelieved is allowed


@pytest.mark.parametrize(
    "words",
    [
        FAILURE + result(PEER, OURS, "", " type='invalid'"),  # that is an answer
        f"<success {SASL}/></stream:stream>".encode(),
        b"<rubbish xmlns='urn:x'/>",
    ],
)
def test_what_a_fresh_stream_does_not_mend(words):
    driver = Outbound()
    driver.secure(BOTH)
    driver.send(words)
    driver.stream.lost()
    assert not driver.stream.disbelieved


def test_peers_that_stall_get_no_second_try():
    driver = Outbound()
    driver.secure(BOTH)
    driver.wait(1000)
    assert driver.stream.closed
    assert not driver.stream.disbelieved


def test_a_stream_without_external():
    driver = Outbound(external=False)
    assert driver.secure(BOTH) == claim("s2")


@pytest.mark.parametrize(
    ("answer", "condition"),
    [
        (result(PEER, OURS, "", " type='invalid'"), StreamCondition.NOT_AUTHORIZED),
        (
            result(
                PEER,
                OURS,
                "<error><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
                " type='error'",
            ),
            StreamCondition.HOST_UNKNOWN,
        ),
        (
            b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            StreamCondition.HOST_UNKNOWN,
        ),
    ],
)
def test_refusals(answer, condition):
    driver = Outbound()
    driver.secure(DIALBACK)
    driver.send(answer)
    assert driver.error is not None
    assert driver.error.condition is condition
    assert driver.of(Ready) == []


@pytest.mark.parametrize(("sender", "target"), [(FOREIGN, OURS), (PEER, FOREIGN), (OURS, PEER)])
def test_answers_about_other_pairs_mean_nothing(sender, target):
    driver = Outbound()
    driver.secure(DIALBACK)
    driver.send(result(sender, target, "", " type='valid'"))
    assert driver.of(Ready) == []


def test_an_answer_before_the_question():
    """XEP-0220 §4."""
    driver = Outbound()
    driver.secure(b"")
    driver.send(result(PEER, OURS, "", " type='valid'"))
    assert driver.of(Ready) == []


def test_starttls_taken_away():
    """RFC 7590: an active attacker strips the feature; we fail closed."""
    driver = Outbound()
    driver.send(header(PEER, OURS, "id='s1' version='1.0'"), DIALBACK)
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_in_clear_where_that_is_allowed():
    driver = Outbound(Policy(Rules(require_tls=False)))
    assert driver.send(header(PEER, OURS, "id='s1' version='1.0'"), DIALBACK) == claim("s1")


def test_bytes_behind_proceed_are_an_attack():
    driver = Outbound()
    driver.send(header(PEER, OURS, "id='s1' version='1.0'"))
    driver.send(b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
    driver.send(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><x/>")
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_a_certificate_that_does_not_prove_the_domain():
    driver = Outbound(Policy(Rules(dialback=False)), trusted=False)
    driver.secure(EXTERNAL)
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_nothing_to_authenticate_with():
    driver = Outbound()
    driver.send(header(PEER, OURS, "id='s1' version='1.0'").replace(b" xmlns:db='jabber:server:dialback'", b""))
    driver.send(b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
    driver.send(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    driver.stream.tls_established(trusted=True)
    driver.send(
        header(PEER, OURS, "id='s2' version='1.0'").replace(b" xmlns:db='jabber:server:dialback'", b""), NOTHING
    )
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


@pytest.mark.parametrize("driver", [ready, lambda: ready(Purpose.VERIFY)], ids=["stanzas", "verify"])
def test_stanzas_do_not_come_this_way(driver):
    peer = driver()
    peer.send(message(f"r@{PEER}", f"j@{OURS}"))
    peer.assert_ended(StreamCondition.NOT_AUTHORIZED)
    assert peer.stanzas == []


def test_questions_and_answers():
    driver = ready(Purpose.VERIFY)
    pair = Pair(OURS, PEER)
    assert driver.stream.ask(pair, "i<d", "key")
    assert driver.flush() == verify(OURS, PEER, "i&lt;d", "key")
    driver.send(verify(PEER, OURS, "i&lt;d", "", " type='valid'"))
    assert driver.of(Verified) == [Verified(pair, "i<d", Verdict.VALID)]
    driver.send(verify(PEER, OURS, "i&lt;d", "", " type='valid'"))
    assert len(driver.of(Verified)) == 1


def test_questions_that_are_never_answered_do_not_use_the_stream_up():
    driver = ready(Purpose.VERIFY)
    for number in range(OPEN_QUESTIONS + 1):
        assert driver.stream.ask(Pair(OURS, PEER), f"id{number}", "key")
    driver.send(verify(PEER, OURS, f"id{OPEN_QUESTIONS}", "", " type='valid'"))
    driver.send(verify(PEER, OURS, "id0", "", " type='valid'"))  # the oldest was given up
    assert [event.stream_id for event in driver.of(Verified)] == [f"id{OPEN_QUESTIONS}"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        verify(PEER, OURS, "other", "", " type='valid'"),
        verify(FOREIGN, OURS, "id", "", " type='valid'"),
        verify(PEER, FOREIGN, "id", "", " type='valid'"),
        result(PEER, OURS, "", " type='valid'"),
    ],
)
def test_answers_to_what_was_not_asked(answer):
    driver = ready(Purpose.VERIFY)
    driver.stream.ask(Pair(OURS, PEER), "id", "key")
    driver.send(answer)
    assert driver.of(Verified) == []


@pytest.mark.parametrize("answer", ["", " type='rubbish'"])
def test_an_answer_without_a_verdict_is_none(answer):
    driver = ready(Purpose.VERIFY)
    driver.stream.ask(Pair(OURS, PEER), "id", "key")
    driver.send(verify(PEER, OURS, "id", "", answer))
    assert [event.verdict for event in driver.of(Verified)] == [Verdict.ERROR]  # type: ignore[attr-defined]


def test_features_without_end():
    driver = Outbound()
    driver.send(header(PEER, OURS, "id='s1' version='1.0'"))
    driver.send(b"<stream:features>" + b"<x xmlns='urn:x'/>" * 40 + b"</stream:features>")
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize(
    ("opening", "condition"),
    [
        (header(PEER, OURS), StreamCondition.BAD_FORMAT),
        (header(PEER, OURS, f"id='{'x' * 2000}' version='1.0'"), StreamCondition.BAD_FORMAT),
        (header(PEER, OURS, "id='1'"), StreamCondition.UNSUPPORTED_VERSION),
        (b"HTTP/1.1 400 Bad Request\r\n", StreamCondition.NOT_WELL_FORMED),
    ],
)
def test_headers(opening, condition):
    driver = Outbound()
    driver.send(opening)
    assert driver.error is not None
    assert driver.error.condition is condition


@pytest.mark.parametrize("features", [None, b"", EXTERNAL, DIALBACK])
def test_peers_that_stall_in_every_state(features):
    driver = Outbound()
    if features is not None:
        driver.secure(features)
    driver.wait(61)
    assert driver.error is not None
    assert driver.error.condition is StreamCondition.CONNECTION_TIMEOUT


PIECES = st.sampled_from(
    [
        header(PEER, OURS, "id='1' version='1.0'"),
        EXTERNAL,
        NOTHING,
        b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        f"<success {SASL}/>".encode(),
        f"<failure {SASL}/>".encode(),
        f"<challenge {SASL}/>".encode(),
        result(FOREIGN, OURS, "", " type='valid'"),
        verify(PEER, OURS, "x", "", " type='valid'"),
        result(PEER, OURS, "k"),
        message(f"r@{PEER}", f"j@{OURS}"),
        b"</stream:stream>",
    ]
)


@given(st.lists(PIECES, max_size=10), st.booleans())
def test_nothing_comes_of_what_a_peer_makes_up(pieces, trusted):
    driver = Outbound(trusted=trusted)
    for piece in pieces:
        driver.send(piece)
    assert driver.stanzas == driver.of(Verified) == []
    assert not driver.of(Ready)  # TLS was never established
