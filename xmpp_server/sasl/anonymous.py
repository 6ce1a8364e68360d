"""ANONYMOUS: RFC 4505; for XMPP see XEP-0175."""

from __future__ import annotations

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.sasl.mechanism import AnonymousQuery, Ask, Disabled, Exchange, Step, Success, decode

TRACE_CHARACTERS = 255


class Anonymous(Exchange):
    """One message, the trace information; it proves nothing, so nothing is done with it."""

    __slots__ = ()

    def _received(self, data: bytes) -> Step:
        if len(decode(data)) > TRACE_CHARACTERS:  # RFC 4505 §2
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "Trace information is limited to 255 characters")
        return Ask(AnonymousQuery())

    def _answered(self, value: ScramKeys | Disabled | bool | str | None) -> Step:
        if not isinstance(value, str):
            raise SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE, "No name is left")
        return Success(value)
