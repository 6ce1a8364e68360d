"""What all SASL mechanisms share (RFC 4422 §3): the exchange, its steps, questions and context."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.sasl.credentials import ScramKeys

NONCE_BYTES = 18


def random_nonce() -> str:
    """Return an unguessable nonce of printable characters without a comma (RFC 5802 §7)."""
    return secrets.token_urlsafe(NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class SaslContext:
    """What an exchange needs to know of its stream.

    `domain` is prepared. `offered` are the mechanisms which the stream has announced; `fake_salt_key` is a
    lasting secret of the server; `iterations` is the count of real accounts. `downgrade_protection` sends the
    hash of XEP-0474.
    """

    domain: str
    secure: bool
    offered: tuple[str, ...]
    fake_salt_key: bytes = field(repr=False)
    iterations: int
    channel_bindings: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    nonce: Callable[[], str] = random_nonce
    downgrade_protection: bool = True


@dataclass(frozen=True, slots=True)
class CredentialsQuery:
    """Ask for the keys of an account; the answer is `ScramKeys`, `Disabled`, or None if there are none."""

    username: str
    hash_name: str


@dataclass(frozen=True, slots=True)
class PasswordQuery:
    """Ask whether a (prepared) password is right; the answer is a bool.

    For an unknown account verify it against `fake_keys`, so that the answer takes as long.
    """

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """Ask whom the client certificate names; the answer is a username or None.

    `authzid` is the bare JID the client wants to be, if it says so: a certificate may name several
    (XEP-0178 §2).
    """

    authzid: JID | None


@dataclass(frozen=True, slots=True)
class AnonymousQuery:
    """Ask for a name for an anonymous user; the answer is a fresh, unguessable localpart."""


@dataclass(frozen=True, slots=True)
class Disabled:
    """The keys of a disabled account: only who knows its password is told that it is disabled."""

    keys: ScramKeys


Query = CredentialsQuery | PasswordQuery | CertificateQuery | AnonymousQuery
#: Any query may be answered by an error, for example temporary-auth-failure when the storage is away.
Answer = ScramKeys | Disabled | SaslError | bool | str | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data` as a challenge and wait for the response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Have `query` answered, then hand the answer to `Exchange.answer`."""

    query: Query


@dataclass(frozen=True, slots=True)
class Success:
    """`username`, a prepared localpart, is authenticated; `data`, if any, goes with the success."""

    username: str
    data: bytes | None = None


Step = Challenge | Ask | Success


class Stage(Enum):
    """What an exchange waits for."""

    START = "start"
    MESSAGE = "message"
    ANSWER = "answer"
    NOTHING = "nothing"


STAGE_AFTER: Mapping[type[Step], Stage] = MappingProxyType(
    {Challenge: Stage.MESSAGE, Ask: Stage.ANSWER, Success: Stage.NOTHING}
)


class Exchange(ABC):
    """One try of one mechanism. All of ours are client-first; after an error the exchange is over."""

    __slots__ = ("context", "stage")

    def __init__(self, context: SaslContext) -> None:
        self.context = context
        self.stage = Stage.START

    def respond(self, data: bytes | None) -> Step:
        """Take a message of the client, decoded from base64; None for `<auth/>` without an initial response.

        Raises:
            SaslError: the authentication fails.

        """
        if data is None and self.stage is Stage.START:
            return self._next(Challenge(b""))  # RFC 4422 §5: ask for the initial response
        if data is None or self.stage not in (Stage.START, Stage.MESSAGE):
            self.stage = Stage.NOTHING
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "No response is expected now")
        self.stage = Stage.NOTHING
        return self._next(self._received(data))

    def answer(self, value: Answer) -> Step:
        """Take the answer to the query of the last step.

        Raises:
            SaslError: the authentication fails.
            ValueError: no query is open.

        """
        if self.stage is not Stage.ANSWER:
            raise ValueError("no query is open")
        self.stage = Stage.NOTHING
        if isinstance(value, SaslError):
            raise value
        return self._next(self._answered(value))

    @abstractmethod
    def _received(self, data: bytes) -> Step: ...

    @abstractmethod
    def _answered(self, value: ScramKeys | Disabled | bool | str | None) -> Step: ...

    def _next(self, step: Step) -> Step:
        self.stage = STAGE_AFTER[type(step)]
        return step


def not_authorized() -> SaslError:
    """Return the failure for wrong credentials, the same for names and passwords (RFC 6120 §6.5.10)."""
    return SaslError(SaslCondition.NOT_AUTHORIZED, "The user name or the password is wrong")


def decode(data: bytes) -> str:
    """Decode a message as UTF-8.

    Raises:
        SaslError: malformed-request.

    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SaslError(SaslCondition.MALFORMED_REQUEST, "Not UTF-8") from None


def prepare_username(name: str, domain: str) -> str:
    """Return `name` as the localpart that its sessions will have (RFC 7622 §3.3, UsernameCaseMapped).

    Raises:
        SaslError: malformed-request for an empty name, not-authorized for one that no account can have.

    """
    if not name:
        raise SaslError(SaslCondition.MALFORMED_REQUEST, "The user name is empty")
    try:
        localpart = JID.of(name, domain).localpart
    except JIDMalformed:
        localpart = None
    if localpart is None:
        raise not_authorized()
    return localpart


def check_authzid(authzid: str, username: str, domain: str) -> None:
    """Refuse to act for anybody but oneself (RFC 6120 §6.3.8); an empty `authzid` is always right.

    Raises:
        SaslError: invalid-authzid.

    """
    if authzid and parse_authzid(authzid) != JID.of(username, domain):
        raise SaslError(SaslCondition.INVALID_AUTHZID, "You may act for yourself only")


def parse_authzid(authzid: str) -> JID:
    """Read an authorization identity, a bare JID with a localpart.

    Raises:
        SaslError: invalid-authzid.

    """
    try:
        jid = JID.parse(authzid)
    except JIDMalformed:
        jid = None
    if jid is None or jid.localpart is None or not jid.is_bare:
        raise SaslError(SaslCondition.INVALID_AUTHZID, "Not a bare JID")
    return jid
