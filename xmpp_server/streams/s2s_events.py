"""What a server-to-server stream tells its driver, beside `StartTls`, stanzas and `Ended`."""

from __future__ import annotations

from dataclasses import dataclass

from xmpp_server.streams.dialback import Pair, Verdict


@dataclass(frozen=True, slots=True)
class Proven:
    """The peer of an incoming stream may send from `domain`, and has named `local`; `method` is for the log."""

    domain: str
    local: str
    method: str


@dataclass(frozen=True, slots=True)
class DialbackRequest:
    """Ask the authoritative server of `pair.sender`, then call `dialback_answer` (XEP-0220 §2.2)."""

    pair: Pair
    stream_id: str
    key: str


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """The peer says that it is `domain`: judge its certificate, then call `judged`."""

    domain: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An outgoing stream takes stanzas now, or questions if that is what it is for."""

    method: str
    #: The peer counts stanzas if asked to (XEP-0198).
    acknowledges: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    """The authoritative server's answer to a question that was asked on this stream."""

    pair: Pair
    stream_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the peer of an outgoing stream says of one more pair (XEP-0220 §2.6); only VALID ones may be used."""

    pair: Pair
    verdict: Verdict
