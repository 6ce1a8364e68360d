"""RFC 6120 §6.3, §6.5.4, §6.5.7: which mechanisms are offered and served."""

from collections.abc import Callable

import pytest

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.mechanism import Ask, CredentialsQuery, SaslContext
from xmpp_server.sasl.registry import MECHANISMS, create, offered

MakeContext = Callable[..., SaslContext]


def test_all_under_tls_in_the_configured_order() -> None:
    names = tuple(MECHANISMS)
    assert offered(names, secure=True, channel_bindings=("tls-exporter",), certificate=True) == names
    assert offered(names[::-1], secure=True, channel_bindings=("x",), certificate=True) == names[::-1]


def test_no_plus_without_binding_data_and_no_external_without_certificate() -> None:
    got = offered(MECHANISMS, secure=True, channel_bindings=(), certificate=False)
    assert got == ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "ANONYMOUS")


def test_no_password_in_the_clear() -> None:
    got = offered(MECHANISMS, secure=False, channel_bindings=("x",), certificate=True)
    assert got == ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "ANONYMOUS")


def test_only_what_is_allowed() -> None:
    assert offered(["PLAIN"], secure=True, channel_bindings=("x",), certificate=True) == ("PLAIN",)
    with pytest.raises(ValueError, match="X-BANANA"):
        offered(["PLAIN", "X-BANANA"], secure=True, channel_bindings=(), certificate=False)


@pytest.mark.parametrize("name", MECHANISMS)
def test_create(context: SaslContext, name: str) -> None:
    create(name, context).respond(None)


def test_create_knows_the_hash_and_the_binding(context: SaslContext) -> None:
    step = create("SCRAM-SHA-512-PLUS", context).respond(b"p=tls-exporter,,n=user,r=a")
    assert step == Ask(CredentialsQuery("user", "SHA-512"))
    step = create("SCRAM-SHA-1", context).respond(b"n,,n=user,r=a")
    assert step == Ask(CredentialsQuery("user", "SHA-1"))


@pytest.mark.parametrize(
    ("name", "secure", "condition"),
    [
        ("PLAIN", False, SaslCondition.ENCRYPTION_REQUIRED),
        ("PLAIN", True, SaslCondition.INVALID_MECHANISM),
        ("plain", True, SaslCondition.INVALID_MECHANISM),
        ("X-BANANA", False, SaslCondition.INVALID_MECHANISM),
        ("", True, SaslCondition.INVALID_MECHANISM),
    ],
)
def test_what_is_not_offered_is_not_served(
    make_context: MakeContext, name: str, secure: bool, condition: SaslCondition
) -> None:
    context = make_context(secure=secure, offered=("SCRAM-SHA-1",))
    with pytest.raises(SaslError) as caught:
        create(name, context)
    assert caught.value.condition is condition
