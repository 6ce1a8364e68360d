"""XEP-0220 on streams that other servers open: claims, questions, answers."""

from __future__ import annotations

import pytest

from tests.streams.s2s_driver import (
    END,
    FOREIGN,
    OTHER,
    OURS,
    PEER,
    SECRET,
    Inbound,
    Policy,
    header,
    message,
    result,
    verify,
)
from tests.streams.test_s2s_in import PAIR, auth, certified, proven
from xmpp_server.errors import Condition, StreamCondition
from xmpp_server.streams import dialback
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s_events import DialbackRequest, Proven
from xmpp_server.streams.s2s_proofs import PENDING_CLAIMS


def test_dialback_lets_the_pair_pass():
    driver = Inbound()
    assert b"<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>" in driver.secure()
    assert driver.send(result(PEER, OURS, "key")) == b""
    assert driver.of(DialbackRequest) == [DialbackRequest(PAIR, "id2", "key")]
    driver.take(driver.stream.dialback_answer(PAIR, Verdict.VALID))
    assert driver.flush() == f"<db:result from='{OURS}' to='{PEER}' type='valid'/>".encode()
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    assert len(driver.stanzas) == 1


def test_stanzas_do_not_pass_while_dialback_is_under_way():
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS), message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)
    assert driver.stanzas == []


def test_an_invalid_key_ends_the_stream():
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS))
    driver.take(driver.stream.dialback_answer(PAIR, Verdict.INVALID))
    assert driver.flush() == f"<db:result from='{OURS}' to='{PEER}' type='invalid'/>".encode() + END
    assert driver.stream.closed


def test_an_unreachable_authority_leaves_the_stream_open():
    """XEP-0220 §2.4."""
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS))
    driver.take(driver.stream.dialback_answer(PAIR, Verdict.ERROR, Condition.REMOTE_SERVER_TIMEOUT))
    assert b"type='error'><error type='cancel'><remote-server-timeout" in driver.flush()
    assert not driver.stream.closed


def test_several_domains_over_one_stream_are_proven_each_for_itself():
    """XEP-0220 §2.6."""
    driver = proven()
    driver.send(result(FOREIGN, OURS), message(f"r@{PEER}", f"j@{OURS}"))
    driver.take(driver.stream.dialback_answer(Pair(FOREIGN, OURS), Verdict.INVALID))
    assert len(driver.stanzas) == 1
    assert not driver.stream.closed  # the other pair is good
    driver.send(message(f"r@{FOREIGN}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.INVALID_FROM)


def test_pairs_that_cannot_be_proven_do_not_cost_the_others_their_stream():
    """XEP-0220 §2.6: one stream is for many domains; but whoever lies again and again is cut off."""
    driver = proven()
    for number in range(20):
        sender = f"d{number}.example"
        driver.send(result(sender, OURS), result(sender, "nobody.example"))
        driver.take(driver.stream.dialback_answer(Pair(sender, OURS), Verdict.ERROR, Condition.REMOTE_SERVER_TIMEOUT))
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    assert len(driver.stanzas) == 1
    for number in range(Policy().limits.refusals):
        assert not driver.stream.closed
        sender = f"d{number}.example"
        driver.send(result(sender, OURS))
        driver.take(driver.stream.dialback_answer(Pair(sender, OURS), Verdict.INVALID))
        driver.flush()
    driver.assert_ended(StreamCondition.POLICY_VIOLATION)


def test_what_a_certificate_has_proven_is_not_looked_at_again():
    """To verify signatures takes time, and claims cost the peer nothing."""
    looked = []
    driver = Inbound(certificate=lambda domain: not looked.append(domain))
    driver.secure()
    driver.send(auth(PEER), header())
    looked.clear()
    assert driver.send(result(PEER, OTHER)) == f"<db:result from='{OTHER}' to='{PEER}' type='valid'/>".encode()
    assert looked == []


def test_a_certificate_for_several_domains_spares_dialback():
    driver = certified(PEER, FOREIGN)
    driver.secure()
    driver.send(auth(PEER), header())
    assert b"type='valid'" in driver.send(result(FOREIGN, OTHER))
    driver.send(message(f"r@{FOREIGN}", f"j@{OTHER}"))
    assert len(driver.stanzas) == 1


def test_dialback_proves_a_pair_and_not_another_target():
    driver = proven()
    driver.send(message(f"r@{PEER}", f"j@{OTHER}"))
    driver.assert_ended(StreamCondition.INVALID_FROM)


@pytest.mark.parametrize("kind", ["valid", "invalid", "error", "rubbish"])
def test_unsolicited_answers_authorize_nobody(kind):
    """XEP-0220 §4, CVE-2012-3525."""
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS, "", f" type='{kind}'"), verify(PEER, OURS, "id2", "", f" type='{kind}'"))
    assert driver.of(DialbackRequest) == driver.of(Proven) == []
    driver.send(message(f"r@{PEER}", f"j@{OURS}"))
    driver.assert_ended(StreamCondition.NOT_AUTHORIZED)


def test_a_verdict_that_nobody_waits_for_has_no_effect():
    driver = Inbound()
    driver.secure()
    assert driver.stream.dialback_answer(PAIR, Verdict.VALID) == []
    assert driver.stream.proven == frozenset()


@pytest.mark.parametrize("sender", [OURS, OTHER])
def test_a_peer_that_sends_our_own_domain(sender):
    driver = Inbound()
    driver.send(header(sender))
    driver.assert_ended(StreamCondition.INVALID_FROM)
    driver = Inbound()
    driver.secure()
    driver.send(result(sender, OURS))
    driver.assert_ended(StreamCondition.INVALID_FROM)
    driver = certified(PEER, sender)
    driver.secure()
    assert b"<not-authorized/>" in driver.send(auth(sender))


def test_a_claim_for_a_target_that_is_not_ours():
    driver = Inbound()
    driver.secure()
    assert b"type='error'><error type='cancel'><item-not-found" in driver.send(result(PEER, FOREIGN))


def test_the_authority_answers_from_its_secret_alone():
    driver = Inbound()
    driver.secure("third.example")
    key = dialback.make_key(SECRET, "third.example", OURS, "abc")
    answer = driver.send(verify("third.example", OURS, "abc", key))
    assert answer == f"<db:verify from='{OURS}' to='third.example' id='abc' type='valid'/>".encode()


@pytest.mark.parametrize(
    ("sender", "target", "stream_id"),
    [("third.example", OTHER, "abc"), (FOREIGN, OURS, "abc"), ("third.example", OURS, "other")],
)
def test_forged_and_replayed_keys(sender, target, stream_id):
    driver = Inbound()
    driver.secure("third.example")
    key = dialback.make_key(SECRET, "third.example", OURS, "abc")
    assert b"type='invalid'" in driver.send(verify(sender, target, stream_id, key))


def test_a_question_about_a_domain_that_is_not_ours():
    driver = Inbound()
    driver.secure()
    assert b"type='error'><error type='cancel'><item-not-found" in driver.send(verify(PEER, FOREIGN, "1", "k"))


@pytest.mark.parametrize(
    ("element", "condition"),
    [
        (b"<db:result>k</db:result>", StreamCondition.IMPROPER_ADDRESSING),
        (result("a b", OURS), StreamCondition.IMPROPER_ADDRESSING),
        (result(f"r@{PEER}", OURS), StreamCondition.IMPROPER_ADDRESSING),
        (result(PEER, OURS, ""), StreamCondition.BAD_FORMAT),
        (result(PEER, OURS, "k" * 600), StreamCondition.BAD_FORMAT),
        (result(PEER, OURS, "k" * 20_000), StreamCondition.POLICY_VIOLATION),
        (verify(PEER, OURS, "", "k"), StreamCondition.BAD_FORMAT),
        (b"<db:rubbish/>", StreamCondition.UNSUPPORTED_STANZA_TYPE),
        (b"<!DOCTYPE x>", StreamCondition.RESTRICTED_XML),
    ],
)
def test_malformed_dialback(element, condition):
    driver = Inbound()
    driver.secure()
    driver.send(element)
    driver.assert_ended(condition)


def test_claims_under_way_are_bounded():
    driver = Inbound()
    driver.secure()
    driver.send(*(result(f"d{number}.example", OURS) for number in range(PENDING_CLAIMS)))
    assert b"<resource-constraint" in driver.send(result(FOREIGN, OURS))
    assert len(driver.of(DialbackRequest)) == PENDING_CLAIMS


def test_a_claim_is_asked_about_once():
    driver = Inbound()
    driver.secure()
    driver.send(result(PEER, OURS), result(PEER, OURS, "another"))
    assert len(driver.of(DialbackRequest)) == 1
