"""XEP-0220: Server Dialback — its elements and its keys (XEP-0185), pure."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.namespaces import STANZA_ERRORS
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr, escape_text

#: A hexadecimal SHA-256 has 64 characters; other servers' keys may be longer, but not without bound.
_KEY_CHARACTERS = 512


class Verdict(StrEnum):
    """What an authoritative server says of a key."""

    VALID = "valid"
    INVALID = "invalid"
    #: No verdict could be had.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Pair:
    """A domain that stanzas come from, and one that they go to: dialback proves no more than that (§2.6)."""

    sender: str
    target: str

    def swapped(self) -> Pair:
        """Return the addresses of an answer."""
        return Pair(self.target, self.sender)


def make_key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """Make the key of a stream (XEP-0185 §2).

    Domains hold no spaces, so the three parts cannot run into one another, whatever the peer chose as stream id.
    """
    text = f"{receiving} {originating} {stream_id}"
    return hmac.new(sha256(secret).hexdigest().encode(), text.encode(), sha256).hexdigest()


def judge(secret: bytes, pair: Pair, stream_id: str, key: str) -> Verdict:
    """Tell whether we made `key` for a stream from `pair.target`, which is ours, to `pair.sender`, which asks (§2.3).

    No state is kept; how long it takes tells nothing of the right key.
    """
    expected = make_key(secret, pair.sender, pair.target, stream_id)
    return Verdict.VALID if hmac.compare_digest(expected.encode(), key.encode()) else Verdict.INVALID


def addresses(element: Stanza) -> Pair:
    """Return the domains of a dialback element.

    Raises:
        StreamError: `improper-addressing`: one is missing or is no domain (§2.1.1).

    """
    try:
        sender, target = JID.parse(element.attrs["from"]), JID.parse(element.attrs["to"])
    except (KeyError, JIDMalformed):
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING) from None
    if not (sender.is_domain and target.is_domain):
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING)
    return Pair(sender.domainpart, target.domainpart)


def key_of(element: Stanza) -> str:
    """Return the key that an element carries.

    Raises:
        StreamError: It is missing or too long.

    """
    key = element.element.text.strip()
    if not key or len(key) > _KEY_CHARACTERS:
        raise StreamError(StreamCondition.BAD_FORMAT, "This is no dialback key")
    return key


def result(pair: Pair, key: str) -> bytes:
    """Write the claim to send for `pair.sender` (§2.1.1)."""
    return _element("result", pair, "", escape_text(key))


def result_answer(pair: Pair, verdict: Verdict, error: Condition | None = None) -> bytes:
    """Write what came of a claim; `pair` is the answer's (§2.2.1)."""
    return _element("result", pair, f" type='{verdict.value}'", _error(error))


def verify(pair: Pair, stream_id: str, key: str) -> bytes:
    """Write the question to the authoritative server (§2.2.2)."""
    return _element("verify", pair, f" id='{escape_attr(stream_id)}'", escape_text(key))


def verify_answer(pair: Pair, stream_id: str, verdict: Verdict, error: Condition | None = None) -> bytes:
    """Write the authoritative server's answer; `pair` is the answer's (§2.3.1)."""
    return _element("verify", pair, f" id='{escape_attr(stream_id)}' type='{verdict.value}'", _error(error))


def _element(name: str, pair: Pair, attributes: str, content: str) -> bytes:
    head = f"<db:{name} from='{escape_attr(pair.sender)}' to='{escape_attr(pair.target)}'{attributes}"
    return (f"{head}>{content}</db:{name}>" if content else f"{head}/>").encode()


def _error(condition: Condition | None) -> str:
    """Write why there is no verdict (§2.4)."""
    if condition is None:
        return ""
    return f"<error type='cancel'><{condition.value} xmlns='{STANZA_ERRORS}'/></error>"
