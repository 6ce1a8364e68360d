"""The receiving server's side of a stream: what a peer has to prove, and what hostile ones try."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.s2s_driver import (
    END,
    FOREIGN,
    OURS,
    PEER,
    SASL,
    STARTTLS,
    Inbound,
    Policy,
    header,
    message,
    result,
    verify,
)
from xmpp_server.errors import StreamCondition
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Rules
from xmpp_server.streams.s2s_events import DialbackRequest, Proven
from xmpp_server.xml.parser import parse

PAIR = Pair(PEER, OURS)


def auth(text: str | None) -> bytes:
    content = "=" if text == "" else "" if text is None else base64.b64encode(text.encode()).decode()
    return f"<auth {SASL} mechanism='EXTERNAL'>{content}</auth>".encode()


def certified(*domains: str, **rules: bool) -> Inbound:
    return Inbound(Policy(Rules(**rules)), lambda domain: domain in domains)


def proven() -> Inbound:
    """A peer that has proven its domain by dialback, to one of ours."""
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS))
    driver.take(driver.stream.dialback_answer(PAIR, Verdict.VALID))
    driver.flush()
    return driver


def external() -> Inbound:
    driver = certified(PEER)
    driver.secure()
    driver.send(auth(PEER), header())
    return driver


def test_external_needs_no_dialback():
    driver = certified(PEER, dialback=False)
    assert b"<mechanism>EXTERNAL</mechanism>" in driver.secure()
    assert driver.send(auth(PEER)) == f"<success {SASL}/>".encode()
    driver.send(header(), message(f"r@{PEER}/x", f"j@{OURS}"))
    [stanza] = driver.stanzas
    assert (str(stanza.sender), str(stanza.to)) == (f"r@{PEER}/x", f"j@{OURS}")
    assert stanza.wire == f"<message from='r@{PEER}/x' to='j@{OURS}'><body>hi</body></message>".encode()
    assert driver.of(Proven) == [Proven(PEER, OURS, "EXTERNAL")]
    assert driver.stream.deadline is None


@pytest.mark.parametrize("authzid", ["", None])
def test_the_header_may_name_the_identity(authzid):
    driver = certified(PEER)
    driver.secure()
    if authzid is None:
        assert driver.send(auth(None)) == f"<challenge {SASL}/>".encode()
        assert driver.send(f"<response {SASL}/>".encode()) == f"<success {SASL}/>".encode()
    else:
        assert driver.send(auth(authzid)) == f"<success {SASL}/>".encode()


@pytest.mark.parametrize("authzid", [FOREIGN, OURS, f"user@{PEER}", "\0", "a b", ""])
def test_external_for_what_the_certificate_does_not_prove(authzid):
    driver = certified(FOREIGN if authzid == "" else PEER, OURS)
    driver.secure()
    assert b"<failure" in driver.send(auth(authzid))
    assert driver.stream.proven == frozenset()


def test_external_is_not_offered_without_a_certificate():
    driver = Inbound()
    assert b"EXTERNAL" not in driver.secure()
    assert b"<not-authorized/>" in driver.send(auth(PEER))


def test_external_in_clear():
    driver = certified(PEER)
    driver.send(header())
    assert b"<invalid-mechanism/>" in driver.send(auth(PEER))


def test_patience_with_failures_ends():
    driver = certified()
    driver.secure()
    for _ in range(5):
        driver.send(auth(PEER))
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_the_stream_after_external_is_the_same_domains():
    driver = certified(PEER)
    driver.secure()
    driver.send(auth(PEER), header(FOREIGN))
    driver.assert_ended(StreamCondition.INVALID_FROM)


@pytest.mark.parametrize("driver", [proven, external], ids=["dialback", "external"])
@pytest.mark.parametrize(
    ("sender", "target", "condition"),
    [
        (f"r@{FOREIGN}", f"j@{OURS}", StreamCondition.INVALID_FROM),
        (f"r@sub.{PEER}", f"j@{OURS}", StreamCondition.INVALID_FROM),
        (f"r@{OURS}", f"j@{OURS}", StreamCondition.INVALID_FROM),
        (OURS, OURS, StreamCondition.INVALID_FROM),
        (f"r@{PEER}", f"j@{FOREIGN}", StreamCondition.HOST_UNKNOWN),
        (f"r@{PEER}", f"j@{PEER}", StreamCondition.HOST_UNKNOWN),
        (f"@{PEER}", f"j@{OURS}", StreamCondition.IMPROPER_ADDRESSING),
        (f"r@{PEER}", "", StreamCondition.IMPROPER_ADDRESSING),
    ],
)
def test_spoofed_addresses(driver, sender, target, condition):
    peer = driver()
    peer.send(message(sender, target))
    peer.assert_ended(condition)
    assert peer.stanzas == []


@pytest.mark.parametrize("missing", [f"<message from='r@{PEER}'/>", f"<message to='j@{OURS}'/>", "<iq/>"])
def test_missing_addresses(missing):
    driver = proven()
    driver.send(missing.encode())
    driver.assert_ended(StreamCondition.IMPROPER_ADDRESSING)


def test_no_plaintext_where_tls_is_required():
    driver = Inbound()
    assert b"<required/>" in driver.send(header())
    assert b"<policy-violation" in driver.send(result(PEER, OURS))
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_certificates_only():
    driver = Inbound(Policy(Rules(dialback=False)))
    driver.secure()
    assert b"type='error'><error type='cancel'><policy-violation" in driver.send(result(PEER, OURS))
    assert driver.of(DialbackRequest) == []


def test_bytes_behind_starttls_are_an_attack():
    driver = Inbound()
    driver.send(header(), STARTTLS + message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_what_was_learnt_in_clear_is_forgotten():
    driver = Inbound(Policy(Rules(require_tls=False)))
    driver.send(header(), result(PEER, OURS), STARTTLS)
    driver.stream.tls_established(None)
    assert driver.stream.dialback_answer(PAIR, Verdict.VALID) == []
    driver.send(header(), message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


@pytest.mark.parametrize(
    ("opening", "condition"),
    [
        (header(target=None), StreamCondition.HOST_UNKNOWN),
        (header(target=FOREIGN), StreamCondition.HOST_UNKNOWN),
        (header(sender="a b"), StreamCondition.INVALID_FROM),
        (header(more=""), StreamCondition.UNSUPPORTED_VERSION),
        (header().replace(b"'jabber:server'", b"'jabber:client'"), StreamCondition.INVALID_NAMESPACE),
    ],
)
def test_headers(opening, condition):
    driver = Inbound()
    driver.send(opening)
    driver.assert_ended(condition)


def test_blocked_domains():
    policy = Policy(blocked=frozenset({PEER}))
    driver = Inbound(policy)
    driver.send(header())
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)
    driver = Inbound(policy, lambda domain: True)
    driver.secure(None)
    driver.send(auth(PEER))
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)
    driver = Inbound(policy)
    driver.secure(FOREIGN)
    assert b"<forbidden" in driver.send(result(PEER, OURS))


@pytest.mark.parametrize("steps", range(4))
def test_peers_that_stall_in_every_state(steps):
    driver = certified(PEER)
    for step in (header(), STARTTLS, header(), auth(PEER))[:steps]:
        driver.send(step)
        if step is STARTTLS:
            driver.stream.tls_established(driver.certificate)
    driver.wait(61)
    assert driver.error is not None
    assert driver.error.condition is StreamCondition.CONNECTION_TIMEOUT


def test_stanzas_that_name_their_namespace_look_like_any_other():
    driver = external()
    driver.send(f"<message xmlns='jabber:server' from='r@{PEER}' to='j@{OURS}'><body/></message>".encode())
    [stanza] = driver.stanzas
    assert (stanza.ns, stanza.children) == ("jabber:client", ("jabber:client body",))
    assert b"xmlns" not in stanza.wire


@pytest.mark.parametrize("inside", ["<xmlns/>", "<a:xmlns xmlns:a='urn:a'/>", "<a b:xmlns='' xmlns:b='urn:b'/>"])
def test_whatever_is_well_formed_can_be_passed_on(inside):
    """Namespaces in XML §3 reserves prefixes, not local names: an exception here cost the connection."""
    driver = external()
    driver.send(f"<message xmlns='jabber:server' from='r@{PEER}' to='j@{OURS}'>{inside}</message>".encode())
    [stanza] = driver.stanzas
    assert stanza.element.first == parse(inside.encode())


def test_an_error_of_the_peer_is_not_answered():
    driver = external()
    error = b"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    assert driver.send(error) == END
    assert driver.error is not None
    assert driver.error.condition is StreamCondition.RESET


PIECES = st.sampled_from(
    [
        header(),
        header(FOREIGN),
        STARTTLS,
        auth(PEER),
        auth(FOREIGN),
        auth(None),
        result(PEER, OURS),
        result(FOREIGN, OURS, "", " type='valid'"),
        verify(PEER, OURS, "id2", "", " type='valid'"),
        verify(PEER, OURS, "x", "k"),
        message(f"r@{FOREIGN}", f"j@{OURS}"),
        message(f"r@{OURS}", f"j@{OURS}"),
        b"<stream:features/>",
        END,
        b"<",
    ]
)


@given(st.lists(PIECES, max_size=12), st.integers(0, 3))
def test_nothing_that_a_peer_says_lets_an_unproven_domain_pass(pieces, tls_at):
    """Fuzz: whatever the order, nothing raises, and no stanza of a domain without a proof comes out."""
    driver = certified(PEER)
    for index, piece in enumerate(pieces):
        driver.send(piece)
        if index == tls_at:
            driver.stream.tls_established(driver.certificate)
    assert driver.stanzas == []
    assert driver.stream.proven <= {PEER}


BIDI = b"<bidi xmlns='urn:xmpp:bidi'/>"


def test_both_directions():
    """XEP-0288: offered inside TLS, before authentication."""
    driver = certified(PEER)
    offer = b"<bidi xmlns='urn:xmpp:features:bidi'/>"
    assert offer not in certified(PEER).send(header())
    assert offer in driver.secure()
    driver.send(BIDI)
    assert driver.stream.bidi
    assert offer not in driver.send(auth(PEER), header())


def test_acknowledgements_pass_once_something_is_proven():
    driver = Inbound()
    driver.secure()
    driver.send(b"<enable xmlns='urn:xmpp:sm:3'/>")
    driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)
    driver = proven()
    driver.send(b"<enable xmlns='urn:xmpp:sm:3'/><r xmlns='urn:xmpp:sm:3'/>")
    assert [stanza.name for stanza in driver.stanzas] == ["enable", "r"]
    driver.send(b"<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>")
    driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)
