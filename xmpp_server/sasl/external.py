"""EXTERNAL with a client certificate: RFC 4422 Appendix A, XEP-0178 §2."""

from __future__ import annotations

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.sasl.mechanism import (
    Ask,
    CertificateQuery,
    Disabled,
    Exchange,
    SaslContext,
    Step,
    Success,
    check_authzid,
    decode,
    parse_authzid,
)


class External(Exchange):
    """One message, the wanted identity or nothing; the certificate says who may have it."""

    __slots__ = ("_authzid",)

    def __init__(self, context: SaslContext) -> None:
        super().__init__(context)
        self._authzid = ""

    def _received(self, data: bytes) -> Step:
        self._authzid = decode(data)
        if "\0" in self._authzid:
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "An identity has no NUL")
        return Ask(CertificateQuery(parse_authzid(self._authzid) if self._authzid else None))

    def _answered(self, value: ScramKeys | Disabled | bool | str | None) -> Step:
        if not isinstance(value, str):
            raise SaslError(SaslCondition.NOT_AUTHORIZED, "The certificate names no account here")
        check_authzid(self._authzid, value, self.context.domain)
        return Success(value)
