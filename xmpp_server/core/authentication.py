"""Who a client is: the interface of authentication back ends, the built-in one, and the back-off for failures."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import fake_keys, verify_password
from xmpp_server.sasl.mechanism import (
    AnonymousQuery,
    Answer,
    CertificateQuery,
    CredentialsQuery,
    Disabled,
    PasswordQuery,
    Query,
)
from xmpp_server.storage.api import AccountRecord, StorageError

if TYPE_CHECKING:
    from xmpp_server.core.host import Host

#: Which stored keys a plain password is checked against: the cheapest that all accounts have.
PASSWORD_HASH = "SHA-1"  # noqa: S105 - the name of a hash

#: Runs CPU-bound work in a thread.
Compute = Callable[[Callable[[], bool]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a back end may know of the client: its address, and the JIDs that its trusted certificate names."""

    address: str
    certified: tuple[JID, ...] = ()


class AuthBackend(Protocol):
    """Answers the questions of SASL exchanges for one host."""

    def answer(self, query: Query, peer: Peer) -> Answer | Awaitable[Answer]:
        """Answer a question, at once or after a wait (an `async def` will do).

        Raises:
            SaslError: The exchange is to fail with it.

        """
        ...


class StoredAccounts:
    """The built-in back end: accounts in the server's own storage, with SCRAM keys instead of passwords."""

    def __init__(self, host: Host, compute: Compute, fake_salt_key: bytes, iterations: int) -> None:
        self._host = host
        self._compute = compute
        self._fake_salt_key = fake_salt_key
        self._iterations = iterations

    def answer(self, query: Query, peer: Peer) -> Answer | Awaitable[Answer]:
        """Answer from memory where SCRAM asks for an account that is there, else from storage."""
        if isinstance(query, CredentialsQuery):
            if account := self._host.accounts.get(query.username):
                return _keys(account.record, query.hash_name)
            if self._host.accounts.is_absent(query.username):  # the time it takes must not tell who exists
                return None
        return self._look_up(query, peer)

    async def _look_up(self, query: Query, peer: Peer) -> Answer:
        try:
            if isinstance(query, CredentialsQuery):
                return _keys(await self._record(query.username), query.hash_name)
            if isinstance(query, PasswordQuery):
                return await self._password(query)
            if isinstance(query, CertificateQuery):
                return await self._certificate(query, peer)
            return self._anonymous(query)
        except StorageError:
            raise SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE, "Try again later") from None

    async def _record(self, username: str) -> AccountRecord | None:
        if self._host.accounts.is_absent(username):
            return None
        account = await self._host.accounts.load(JID.of(username, self._host.name))
        return None if account is None else account.record

    async def _password(self, query: PasswordQuery) -> Answer:
        record = await self._record(query.username)
        keys = None if record is None else record.credentials.get(PASSWORD_HASH)
        known = keys is not None
        if keys is None:
            account = f"{query.username}@{self._host.name}"
            keys = fake_keys(self._fake_salt_key, account, PASSWORD_HASH, self._iterations)
        right = await self._compute(partial(verify_password, keys, PASSWORD_HASH, query.password))
        if not (right and known and record is not None):
            return False
        if not record.enabled:
            raise SaslError(SaslCondition.ACCOUNT_DISABLED, "This account is disabled")
        return True

    async def _certificate(self, query: CertificateQuery, peer: Peer) -> Answer:
        names = [jid for jid in peer.certified if jid.domainpart == self._host.name and jid.localpart]
        if query.authzid is not None:
            names = [jid for jid in names if jid.bare == query.authzid]
        if len({jid.bare for jid in names}) != 1:  # XEP-0178 §2: which of several must be said
            return None
        record = await self._record(names[0].localpart or "")
        if record is not None and not record.enabled:
            raise SaslError(SaslCondition.ACCOUNT_DISABLED, "This account is disabled")
        return None if record is None else names[0].localpart

    def _anonymous(self, query: AnonymousQuery) -> Answer:
        localpart = secrets.token_hex(10)
        self._host.accounts.add_anonymous(JID.of(localpart, self._host.name))
        return localpart


def _keys(record: AccountRecord | None, hash_name: str) -> Answer:
    """Return what an account's SCRAM exchange needs."""
    keys = None if record is None else record.credentials.get(hash_name)
    if record is None or keys is None:
        return None
    return keys if record.enabled else Disabled(keys)


class Backoff:
    """Slows those down who keep failing, by address and by account; nobody is locked out (XEP-0205 §3)."""

    LIMIT = 10_000

    def __init__(self, after: int, delay_s: float, max_s: float) -> None:
        self._after = after
        self._delay_s = delay_s
        self._max_s = max_s
        #: Failures in a row and the time of the last, oldest first.
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def fail(self, key: str, now: float) -> None:
        """Note a failure of an address or account."""
        count, _ = self._failures.pop(key, (0, 0.0))
        self._failures[key] = count + 1, now
        if len(self._failures) > self.LIMIT:
            self._failures.popitem(last=False)

    def succeed(self, key: str) -> None:
        """Forget the failures of an account whose owner has come."""
        self._failures.pop(key, None)

    def delay(self, key: str, now: float) -> float:
        """Return how many seconds the next try of `key` waits; memory of failures fades with time."""
        count, last = self._failures.get(key, (0, 0.0))
        over = count - self._after
        if over < 0:
            return 0.0
        delay = min(self._max_s, self._delay_s * 2.0 ** min(over, 20))
        if now - last > 10 * self._max_s:
            del self._failures[key]
            return 0.0
        return delay
