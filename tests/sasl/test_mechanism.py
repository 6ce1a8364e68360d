"""RFC 4422, RFC 6120 §6: what all exchanges share."""

import pytest

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.anonymous import Anonymous
from xmpp_server.sasl.mechanism import (
    AnonymousQuery,
    Ask,
    Challenge,
    PasswordQuery,
    SaslContext,
    Success,
    check_authzid,
    parse_authzid,
    prepare_username,
    random_nonce,
)


def condition_of(caught: pytest.ExceptionInfo[SaslError]) -> SaslCondition:
    return caught.value.condition


def test_a_missing_initial_response_is_asked_for(context: SaslContext) -> None:
    exchange = Anonymous(context)
    assert exchange.respond(None) == Challenge(b"")
    assert exchange.respond(b"") == Ask(AnonymousQuery())


def test_it_is_asked_for_once(context: SaslContext) -> None:
    exchange = Anonymous(context)
    exchange.respond(None)
    with pytest.raises(SaslError) as caught:
        exchange.respond(None)
    assert condition_of(caught) is SaslCondition.MALFORMED_REQUEST


def test_nothing_is_taken_while_a_query_is_open(context: SaslContext) -> None:
    exchange = Anonymous(context)
    exchange.respond(b"")
    with pytest.raises(SaslError) as caught:
        exchange.respond(b"")
    assert condition_of(caught) is SaslCondition.MALFORMED_REQUEST
    with pytest.raises(ValueError, match="no query"):
        exchange.answer("name")


def test_nothing_is_taken_after_success(context: SaslContext) -> None:
    exchange = Anonymous(context)
    exchange.respond(b"")
    assert exchange.answer("name") == Success("name")
    with pytest.raises(SaslError):
        exchange.respond(b"")


def test_nothing_is_taken_after_failure(context: SaslContext) -> None:
    exchange = Anonymous(context)
    with pytest.raises(SaslError):
        exchange.respond(b"\xff")
    with pytest.raises(SaslError):
        exchange.respond(b"")


def test_no_answer_without_a_query(context: SaslContext) -> None:
    with pytest.raises(ValueError, match="no query"):
        Anonymous(context).answer("name")


def test_an_error_as_the_answer_ends_the_exchange(context: SaslContext) -> None:
    exchange = Anonymous(context)
    exchange.respond(b"")
    with pytest.raises(SaslError) as caught:
        exchange.answer(SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE))
    assert condition_of(caught) is SaslCondition.TEMPORARY_AUTH_FAILURE
    with pytest.raises(ValueError, match="no query"):
        exchange.answer("name")


@pytest.mark.parametrize(
    ("written", "prepared"),
    [("alice", "alice"), ("ALICE", "alice"), ("\uff21lice", "alice"), ("Stra\u00dfe", "stra\u00dfe")],
)
def test_usernames_are_those_of_the_jid(written: str, prepared: str) -> None:
    assert prepare_username(written, "example.org") == prepared


@pytest.mark.parametrize(
    "written",
    [
        "alice@evil.org",
        "alice@example.org",
        "al ice",
        "al\u200bice",
        "alice/x",
        "al\0ice",
        "alice\n",
        "a" * 1024,
        "\u2163",
        "'",
    ],
)
def test_names_that_no_account_can_have(written: str) -> None:
    with pytest.raises(SaslError) as caught:
        prepare_username(written, "example.org")
    assert condition_of(caught) is SaslCondition.NOT_AUTHORIZED


def test_an_empty_name_is_malformed() -> None:
    with pytest.raises(SaslError) as caught:
        prepare_username("", "example.org")
    assert condition_of(caught) is SaslCondition.MALFORMED_REQUEST


@pytest.mark.parametrize("authzid", ["", "alice@example.org", "Alice@EXAMPLE.org"])
def test_ones_own_authzid(authzid: str) -> None:
    check_authzid(authzid, "alice", "example.org")


@pytest.mark.parametrize(
    "authzid",
    [
        "admin@example.org",
        "alice@evil.org",
        "alice@example.org/phone",
        "alice",
        "example.org",
        "@example.org",
        "alice@",
        "dn:cn=alice",
    ],
)
def test_any_other_authzid_is_refused(authzid: str) -> None:
    with pytest.raises(SaslError) as caught:
        check_authzid(authzid, "alice", "example.org")
    assert condition_of(caught) is SaslCondition.INVALID_AUTHZID


def test_parse_authzid() -> None:
    assert parse_authzid("Alice@example.org") == "alice@example.org"


def test_nonces_differ_and_are_printable() -> None:
    nonces = {random_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(nonce.isascii() and nonce.isprintable() and "," not in nonce for nonce in nonces)
    assert min(map(len, nonces)) >= 24


def test_secrets_stay_out_of_logs(context: SaslContext) -> None:
    assert "secret" not in repr(context)
    assert "exported" not in repr(context)
    assert "hunter2" not in repr(Ask(PasswordQuery("alice", "hunter2")))


def test_a_context_needs_no_channel_binding() -> None:
    assert not SaslContext("example.org", True, ("PLAIN",), b"", 4096).channel_bindings
