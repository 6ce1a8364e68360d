"""SASL on clients' streams: what is offered, how it goes, and how it fails."""

from __future__ import annotations

import pytest

from tests.streams.conftest import BIND, HEADER, PLAIN, WRONG, Driver
from tests.streams.test_c2s import SASL_NS, MakeDriver, auth, header
from xmpp_server.errors import SaslCondition, StreamCondition
from xmpp_server.jid import JID
from xmpp_server.streams.events import (
    Authenticated,
    AuthFailed,
    AuthQuery,
)


class TestSasl:
    """RFC 6120 §6."""

    def test_success(self, driver: Driver) -> None:
        driver.to_tls()
        assert driver.send(PLAIN) == b"<success xmlns='%b'/>" % SASL_NS
        assert driver.outcomes == [Authenticated("juliet", "PLAIN")]

    def test_empty_challenge_where_the_initial_response_is_missing(self, driver: Driver) -> None:
        driver.to_tls()
        assert driver.send(auth("PLAIN")) == b"<challenge xmlns='%b'/>" % SASL_NS
        driver.send(b"<response xmlns='%b'>AGp1bGlldAByMG0zMG15cjBtMzA=</response>" % SASL_NS)
        assert driver.stream.username == "juliet"

    def test_encryption_required(self, driver: Driver) -> None:
        driver.send(HEADER)
        assert b"<encryption-required/>" in driver.send(PLAIN)
        assert driver.stream.username is None

    @pytest.mark.parametrize("mechanism", ["", "X", "plain", "SCRAM-SHA-256", "EXTERNAL"])
    def test_invalid_mechanism(self, driver: Driver, mechanism: str) -> None:
        driver.to_tls()
        assert b"<invalid-mechanism/>" in driver.send(auth(mechanism))
        assert driver.outcomes == [AuthFailed(None, SaslCondition.INVALID_MECHANISM)]

    @pytest.mark.parametrize(
        "text", ["A", "A===", "====", "AGp1 bGll", "AGp1\nbGll", "é", "AGp1=bGl", "AGp1bGlldAByMA==x"]
    )
    def test_incorrect_encoding(self, driver: Driver, text: str) -> None:
        driver.to_tls()
        assert b"<incorrect-encoding/>" in driver.send(auth("PLAIN", text))

    def test_failed_user_is_named(self, driver: Driver) -> None:
        driver.to_tls().send(WRONG)
        assert driver.outcomes == [AuthFailed("juliet", SaslCondition.NOT_AUTHORIZED)]

    def test_failed_user_of_an_earlier_try_is_not_named(self, driver: Driver) -> None:
        driver.to_tls().send(WRONG, auth("X"))
        assert driver.outcomes[-1] == AuthFailed(None, SaslCondition.INVALID_MECHANISM)

    def test_lookup_that_fails(self, driver: Driver) -> None:
        driver.to_tls()
        assert b"<temporary-auth-failure/>" in driver.send(auth("PLAIN", "AGJyb2tlbgB4"))
        driver.send(PLAIN)
        assert driver.stream.username == "juliet"

    def test_retries_are_limited(self, driver: Driver) -> None:
        driver.to_tls().send(WRONG, WRONG, WRONG, WRONG)
        assert not driver.over
        driver.send(WRONG)
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    def test_pipelined_retries_are_limited(self, driver: Driver) -> None:
        driver.to_tls().send(WRONG * 20)
        assert len(driver.outcomes) == 5
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    def test_aborts_are_limited(self, driver: Driver) -> None:
        driver.to_tls().send((auth("PLAIN") + b"<abort xmlns='%b'/>" % SASL_NS) * 5)
        assert [outcome.condition for outcome in driver.outcomes if isinstance(outcome, AuthFailed)] == [
            SaslCondition.ABORTED
        ] * 5
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)

    def test_auth_within_an_exchange_ends_the_exchange(self, driver: Driver) -> None:
        driver.to_tls().send(auth("PLAIN"))
        assert b"<malformed-request/>" in driver.send(PLAIN)
        assert driver.stream.username is None

    def test_nothing_is_parsed_before_the_answer(self, driver: Driver) -> None:
        driver.to_tls()
        driver.answering = False
        driver.send(PLAIN + HEADER[:30])
        driver.send(HEADER[30:] + BIND)
        assert driver.stream.waiting
        assert isinstance(driver.events[-1], AuthQuery)
        driver.answering = True
        driver.take(driver.stream.auth_answer(True, driver.now))
        assert driver.stream.jid == JID.parse("juliet@im.example.com/balcony")

    def test_bytes_behind_a_question_are_bounded(self, driver: Driver) -> None:
        driver.to_tls()
        driver.answering = False
        driver.send(PLAIN)
        driver.send(b" " * 40_000)
        assert not driver.over
        driver.send(b" ")
        driver.assert_ended(StreamCondition.POLICY_VIOLATION)
        assert driver.stream.auth_answer(True, driver.now) == []

    @pytest.mark.parametrize("again", [PLAIN, b"<response xmlns='%b'/>" % SASL_NS])
    def test_never_again_after_success(self, driver: Driver, again: bytes) -> None:
        driver.to_authenticated().send(again)
        driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)

    def test_never_again_after_binding(self, driver: Driver) -> None:
        driver.to_bound().send(PLAIN)
        driver.assert_ended(StreamCondition.UNSUPPORTED_STANZA_TYPE)

    def test_anonymous(self, make_driver: MakeDriver) -> None:
        driver = make_driver(allowed=("ANONYMOUS",)).to_tls()
        driver.send(auth("ANONYMOUS", "="))
        driver.send(header(**{"from": "me@im.example.com"}), BIND)
        assert driver.stream.jid == JID.parse("f3a9@im.example.com/balcony")
