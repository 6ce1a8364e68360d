"""Room nicknames: which are allowed, and which are the same (RFC 8266; XEP-0045 §7.2.8, §17.1)."""

from __future__ import annotations

from functools import lru_cache

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import MAX_PART_BYTES
from xmpp_server.precis import Profile

_NICKNAME = Profile("NicknameCaseMapped")


@lru_cache(maxsize=4096)
def nick_key(nick: str) -> str:
    """Return what all nicknames that are the same have in common (RFC 8266 §2.4).

    Raises:
        StanzaError: jid-malformed; it is no nickname, as one of spaces only, or too long for an address.

    """
    if len(nick) > MAX_PART_BYTES:  # before it is prepared, which takes time
        raise StanzaError(Condition.JID_MALFORMED, "This is too long for a nickname", echo=False)
    try:
        return _NICKNAME.enforce(nick)
    except ValueError:  # UnicodeEncodeError
        raise StanzaError(Condition.JID_MALFORMED, "This cannot be a nickname") from None


def check_nick(nick: str, limit_chars: int) -> str:
    """Return the key of a nickname that somebody wants to bear.

    Raises:
        StanzaError: jid-malformed; it is none. not-acceptable; it is too long.

    """
    if len(nick) > limit_chars:
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"A nickname has at most {limit_chars} characters")
    return nick_key(nick)
