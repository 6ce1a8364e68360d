"""RFC 4422 Appendix A, XEP-0178."""

import pytest

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID
from xmpp_server.sasl.external import External
from xmpp_server.sasl.mechanism import Ask, CertificateQuery, SaslContext, Success


def test_the_certificate_alone(context: SaslContext) -> None:
    exchange = External(context)
    assert exchange.respond(b"") == Ask(CertificateQuery(None))
    assert exchange.answer("alice") == Success("alice")


def test_one_of_several_names(context: SaslContext) -> None:
    exchange = External(context)
    assert exchange.respond(b"Alice@example.org") == Ask(CertificateQuery(JID.parse("alice@example.org")))
    assert exchange.answer("alice") == Success("alice")


def test_another_than_the_certificate_names(context: SaslContext) -> None:
    exchange = External(context)
    exchange.respond(b"admin@example.org")
    with pytest.raises(SaslError) as caught:
        exchange.answer("alice")
    assert caught.value.condition is SaslCondition.INVALID_AUTHZID


def test_same_name_of_another_domain(context: SaslContext) -> None:
    exchange = External(context)
    exchange.respond(b"alice@evil.org")
    with pytest.raises(SaslError) as caught:
        exchange.answer("alice")
    assert caught.value.condition is SaslCondition.INVALID_AUTHZID


@pytest.mark.parametrize("answer", [None, True, False])
def test_a_certificate_for_nobody(context: SaslContext, answer: bool | None) -> None:
    exchange = External(context)
    exchange.respond(b"")
    with pytest.raises(SaslError) as caught:
        exchange.answer(answer)
    assert caught.value.condition is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"\xff", SaslCondition.MALFORMED_REQUEST),
        (b"alice@example.org\0", SaslCondition.MALFORMED_REQUEST),
        (b"alice", SaslCondition.INVALID_AUTHZID),
        (b"alice@example.org/phone", SaslCondition.INVALID_AUTHZID),
        (b"CN=admin,", SaslCondition.INVALID_AUTHZID),
    ],
)
def test_malformed(context: SaslContext, data: bytes, condition: SaslCondition) -> None:
    with pytest.raises(SaslError) as caught:
        External(context).respond(data)
    assert caught.value.condition is condition
