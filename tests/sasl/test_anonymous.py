"""RFC 4505, XEP-0175."""

import pytest

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.anonymous import Anonymous
from xmpp_server.sasl.mechanism import AnonymousQuery, Ask, SaslContext, Success


@pytest.mark.parametrize("trace", [b"", b"sirhc", "\u00e4".encode() * 255])
def test_success_whatever_the_trace(context: SaslContext, trace: bytes) -> None:
    exchange = Anonymous(context)
    assert exchange.respond(trace) == Ask(AnonymousQuery())
    assert exchange.answer("random") == Success("random")


@pytest.mark.parametrize("trace", [b"\xff", b"x" * 256])
def test_malformed(context: SaslContext, trace: bytes) -> None:
    with pytest.raises(SaslError) as caught:
        Anonymous(context).respond(trace)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_no_name_left(context: SaslContext) -> None:
    exchange = Anonymous(context)
    exchange.respond(b"")
    with pytest.raises(SaslError) as caught:
        exchange.answer(None)
    assert caught.value.condition is SaslCondition.TEMPORARY_AUTH_FAILURE
