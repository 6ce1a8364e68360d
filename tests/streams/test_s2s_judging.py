"""Streams whose peers' certificates are judged by asking around: what waits for that, and what is not got around."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.s2s_driver import (
    FOREIGN,
    OURS,
    PEER,
    STARTTLS,
    Inbound,
    Outbound,
    Policy,
    header,
    message,
    result,
)
from tests.streams.test_s2s_in import auth
from xmpp_server.errors import StreamCondition
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import Rules
from xmpp_server.streams.s2s_events import DialbackRequest, JudgeRequest, Proven
from xmpp_server.streams.s2s_proofs import PROVEN_PAIRS


def asking(sender: str | None = PEER, **rules: bool) -> Inbound:
    """A stream inside TLS that has a certificate, whose worth nobody knows yet."""
    driver = Inbound(Policy(Rules(**rules)), lambda _: True)  # PKIX alone does not count
    driver.send(header(sender), STARTTLS)
    driver.stream.tls_established(driver.certificate, asks=True)
    driver.send(header(sender))
    return driver


def judge(driver: Inbound, *, proven: bool, domain: str = PEER) -> bytes:
    driver.take(driver.stream.judged(domain, proven=proven, now=driver.now))
    return driver.flush()


def test_features_wait_for_the_judgement():
    driver = asking()
    assert driver.of(JudgeRequest) == [JudgeRequest(PEER)]
    assert b"<stream:features>" not in driver.wire.rpartition(b"<?xml")[2]
    assert b"EXTERNAL" in judge(driver, proven=True)
    assert b"success" in driver.send(auth(PEER))
    driver.send(header(), message(PEER, OURS))
    assert len(driver.stanzas) == 1
    assert len(driver.of(JudgeRequest)) == 1


def test_who_is_not_proven_is_offered_dialback():
    driver = asking()
    features = judge(driver, proven=False)
    assert b"EXTERNAL" not in features
    assert b"dialback" in features
    assert b"not-authorized" in driver.send(auth(PEER))
    driver.send(message(PEER, OURS))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_impatient_peers():
    """What comes before the judgement is handled behind it."""
    driver = asking()
    assert driver.send(auth(PEER)) == b""
    assert b"success" in judge(driver, proven=True)


def test_nothing_passes_before_the_judgement():
    driver = asking()
    driver.send(message(PEER, OURS))
    assert not driver.stanzas
    judge(driver, proven=True)
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_a_peer_that_floods_meanwhile():
    driver = asking()
    driver.send(b"<x>" + b"x" * 100_000)
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_a_judgement_that_takes_for_ever():
    driver = asking()
    driver.wait(61)
    driver.assert_ended(StreamCondition.CONNECTION_TIMEOUT)
    assert judge(driver, proven=True) == b""


@pytest.mark.parametrize("domain", [FOREIGN, "", OURS])
def test_a_judgement_of_somebody_else(domain):
    driver = asking()
    assert judge(driver, proven=True, domain=domain) == b""
    assert b"EXTERNAL" not in judge(driver, proven=False)


def test_another_name_than_the_one_that_was_judged():
    """Else a header of one's own would get around what DNSSEC says of another domain."""
    driver = asking(FOREIGN)
    judge(driver, proven=True, domain=FOREIGN)
    assert b"not-authorized" in driver.send(auth(PEER))


def test_a_stream_that_names_nobody():
    driver = asking(None)
    assert not driver.of(JudgeRequest)
    assert b"EXTERNAL" not in driver.wire
    assert b"not-authorized" in driver.send(auth(PEER))


def test_nothing_is_judged_in_clear():
    driver = Inbound(Policy(), lambda _: True)
    driver.send(header())
    assert not driver.events


def test_without_a_certificate_nothing_is_judged():
    driver = Inbound(Policy())
    driver.send(header(), STARTTLS)
    driver.stream.tls_established(None, asks=True)
    assert b"<stream:features>" in driver.send(header())
    assert not driver.of(JudgeRequest)


@pytest.mark.parametrize("dialback", [True, False])
def test_a_claim_of_another_domain_is_a_question(dialback):
    """XEP-0220 §2.6: its certificate may say it, or its server."""
    driver = asking(dialback=dialback)
    judge(driver, proven=True)
    driver.send(auth(PEER), header(), result(FOREIGN, OURS))
    [request] = driver.of(DialbackRequest)
    assert driver.stream.has_to_judge(FOREIGN)
    judge(driver, proven=True, domain=FOREIGN)
    assert not driver.stream.has_to_judge(FOREIGN)
    driver.take(driver.stream.dialback_answer(request.pair, Verdict.VALID))
    assert driver.of(Proven)[-1] == Proven(FOREIGN, OURS, "EXTERNAL")
    driver.send(message(FOREIGN, OURS))
    assert len(driver.stanzas) == 1


def test_a_claim_that_nothing_proves():
    driver = asking(dialback=False)
    judge(driver, proven=False)
    assert b"policy-violation" in driver.send(result(PEER, OURS))
    assert not driver.of(DialbackRequest)


def test_judgements_are_not_kept_without_end():
    driver = asking()
    for number in range(PROVEN_PAIRS + 10):
        judge(driver, proven=True, domain=f"x{number}.example")
    assert len(driver.stream._proofs._judged) == PROVEN_PAIRS


def test_where_dnssec_names_a_certificate_there_must_be_tls():
    """RFC 7673 §3.4: whatever the policy says."""
    driver = Outbound(Policy(Rules(require_tls=False)))
    driver.stream.must_encrypt = True
    driver.send(header(PEER, OURS, "id='s1' version='1.0'"), b"<stream:features/>")
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


DOMAINS = (PEER, FOREIGN)
STEPS = st.one_of(
    st.sampled_from([header(PEER), header(FOREIGN), auth(PEER), auth(FOREIGN), auth("")]).map(
        lambda data: ("send", data)
    ),
    st.sampled_from([message(domain, OURS) for domain in DOMAINS]).map(lambda data: ("send", data)),
    st.sampled_from([result(domain, OURS) for domain in DOMAINS]).map(lambda data: ("send", data)),
    st.tuples(st.just("judge"), st.sampled_from(DOMAINS), st.booleans()),
    st.tuples(st.just("dialback"), st.sampled_from(DOMAINS), st.sampled_from(Verdict)),
)


#: As far as stanzas of the header's domain pass, by either way, or not at all.
WAYS = st.sampled_from(
    [
        lambda first: [],
        lambda first: [("judge", first, True), ("send", auth(first)), ("send", header(first))],
        lambda first: [("judge", first, False), ("send", result(first, OURS)), ("dialback", first, Verdict.VALID)],
    ]
)


@given(st.sampled_from(DOMAINS), WAYS, st.lists(STEPS, max_size=12))
def test_whatever_happens_in_whatever_order_nobody_passes_unproven(first, way, further):
    driver = asking(first)
    steps = [*way(first), *further]
    judged: dict[str, bool] = {}
    claims = set()
    for step in steps:
        if step[0] == "send":
            driver.send(step[1])
        elif step[0] == "judge":
            judge(driver, domain=step[1], proven=step[2])
            judged[step[1]] = judged.get(step[1], False) or step[2]
        else:
            pair = Pair(step[1], OURS)
            asked = any(request.pair == pair for request in driver.of(DialbackRequest))
            if asked and step[2] is Verdict.VALID:
                claims.add(step[1])
            driver.take(driver.stream.dialback_answer(pair, step[2]))
            driver.flush()
        for stanza in driver.stanzas:
            domain = stanza.sender.domainpart
            assert judged.get(domain) or domain in claims
