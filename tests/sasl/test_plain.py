"""RFC 4616."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.mechanism import Ask, PasswordQuery, SaslContext, Success
from xmpp_server.sasl.plain import Plain

CONTEXT = SaslContext("example.org", True, ("PLAIN",), b"secret", 4096)


def refused(data: bytes) -> SaslCondition:
    with pytest.raises(SaslError) as caught:
        Plain(CONTEXT).respond(data)
    return caught.value.condition


@pytest.mark.parametrize("authzid", [b"", b"alice@example.org", b"Alice@Example.org"])
def test_success(authzid: bytes) -> None:
    exchange = Plain(CONTEXT)
    assert exchange.respond(authzid + b"\0ALICE\0p\xc3\xa4ss") == Ask(PasswordQuery("alice", "p\u00e4ss"))
    assert exchange.answer(True) == Success("alice")


@pytest.mark.parametrize("answer", [False, None, "alice"])
def test_wrong_password(answer: bool | str | None) -> None:
    exchange = Plain(CONTEXT)
    exchange.respond(b"\0alice\0wrong")
    with pytest.raises(SaslError) as caught:
        exchange.answer(answer)
    assert caught.value.condition is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\0",
        b"alice",
        b"alice\0pencil",
        b"\0\0pencil",
        b"\0alice\0",
        b"\0alice\0pencil\0",
        b"\0alice\0pen\0cil",
        b"\0al\xffice\0pencil",
        b"\0alice\0pencil\xff",
        b"\0al\xed\xa0\x80ice\0pencil",  # a surrogate
        b"\0alice\0\xc0\x80",  # an overlong NUL
    ],
)
def test_malformed(data: bytes) -> None:
    assert refused(data) is SaslCondition.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "data",
    [
        b"\0alice@example.org\0pencil",
        b"\0alice@evil.org\0pencil",
        "\0al\u200bice\0pencil".encode(),
        b"\0alice\0pen\ncil",
        b"\0alice\0" + b"x" * 5000,
    ],
)
def test_impossible_credentials(data: bytes) -> None:
    assert refused(data) is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("authzid", [b"admin@example.org", b"alice@evil.org", b"admin", b"alice@example.org/x"])
def test_authzid_of_another_is_refused_before_the_password_is_looked_at(authzid: bytes) -> None:
    assert refused(authzid + b"\0alice\0pencil") is SaslCondition.INVALID_AUTHZID


@given(st.binary(max_size=60) | st.lists(st.text(max_size=8), max_size=4).map(lambda p: "\0".join(p).encode()))
def test_any_bytes_end_in_a_query_or_a_failure(data: bytes) -> None:
    try:
        step = Plain(CONTEXT).respond(data)
    except SaslError:
        return
    assert isinstance(step, Ask)
