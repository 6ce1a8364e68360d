"""What a client-to-server stream tells its driver.

The driver handles the events of one call in their order, then writes `outgoing()`. Four of them are questions:
until their answer is given nothing further of the peer's bytes is parsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from xmpp_server.errors import SaslCondition, StreamError
from xmpp_server.sasl.mechanism import Query
from xmpp_server.streams.s2s_events import Claimed, DialbackRequest, JudgeRequest, Proven, Ready, Verified
from xmpp_server.xml.stanza import Stanza


@dataclass(frozen=True, slots=True)
class StartTls:
    """Flush `outgoing()` in clear, do the handshake, then call `tls_established` (RFC 6120 §5.4.3)."""


@dataclass(frozen=True, slots=True)
class AuthQuery:
    """A question of the SASL exchange: look it up, then call `auth_answer`."""

    query: Query


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """A stranger asks for registration: call `register_answer` (XEP-0077 §3.1).

    `iq` is a get or set with an id and a query as its only child.
    """

    iq: Stanza


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The client proved to be `username`, the prepared localpart of an account of the stream's domain."""

    username: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """An exchange failed and the client was told; `username` as far as it was known."""

    username: str | None
    condition: SaslCondition


@dataclass(frozen=True, slots=True)
class BindRequest:
    """The client wants this resource (unprepared), or one of the server's choice: call `bound` or `bind_failed`."""

    resource: str | None


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The client has handled `h` stanzas of session `previd`: call `resumed` or `resume_failed` (XEP-0198 §5)."""

    previd: str
    h: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over in both directions: flush `outgoing()`, then close the connection.

    `error` is None if the client closed its stream, or finished it after the server did so without an error.
    """

    error: StreamError | None


#: A `Stanza` comes only after binding: message, presence, iq, and the elements of XEP-0198 and XEP-0352.
StreamEvent: TypeAlias = (
    StartTls
    | AuthQuery
    | RegisterRequest
    | Authenticated
    | AuthFailed
    | BindRequest
    | ResumeRequest
    | Proven
    | DialbackRequest
    | JudgeRequest
    | Ready
    | Verified
    | Claimed
    | Stanza
    | Ended
)
