"""PLAIN: RFC 4616, for use under TLS only."""

from __future__ import annotations

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.credentials import PasswordError, ScramKeys, prepare_password
from xmpp_server.sasl.mechanism import (
    Ask,
    Disabled,
    Exchange,
    PasswordQuery,
    SaslContext,
    Step,
    Success,
    check_authzid,
    decode,
    not_authorized,
    prepare_username,
)


class Plain(Exchange):
    """One message: `[authzid] NUL authcid NUL password` (RFC 4616 §2)."""

    __slots__ = ("_username",)

    def __init__(self, context: SaslContext) -> None:
        super().__init__(context)
        self._username = ""

    def _received(self, data: bytes) -> Step:
        parts = decode(data).split("\0")
        if len(parts) != 3 or not parts[2]:
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "Expected authzid, user name and password")
        authzid, name, password = parts
        domain = self.context.domain
        self._username = prepare_username(name, domain)
        check_authzid(authzid, self._username, domain)
        try:
            return Ask(PasswordQuery(self._username, prepare_password(password)))
        except PasswordError:
            raise not_authorized() from None

    def _answered(self, value: ScramKeys | Disabled | bool | str | None) -> Step:
        if value is not True:
            raise not_authorized()
        return Success(self._username)
