"""RFC 8266 in rooms: which nicknames there are, and which are the same."""

from __future__ import annotations

import time

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.modules.muc.nicks import check_nick, nick_key


@pytest.mark.parametrize(
    ("one", "other"),
    [("Third Witch", "third witch"), ("Foo  Bar", "foo bar"), ("\uff21lice", "alice"), ("Å", "å"), (" x ", "x")],
)
def test_the_same(one: str, other: str) -> None:
    assert nick_key(one) == nick_key(other)


def test_others() -> None:
    assert nick_key("thirdwitch") != nick_key("third witch")


@pytest.mark.parametrize("nick", ["", " ", "   ", "\u0000"])
def test_none_at_all(nick: str) -> None:
    # XEP-0045 §17.1: empty or invisible
    with pytest.raises(StanzaError) as caught:
        nick_key(nick)
    assert caught.value.condition is Condition.JID_MALFORMED


def test_much_too_long_is_refused_before_it_is_prepared() -> None:
    nick_key.cache_clear()
    began = time.process_time()
    for nick in ("a" + "\u0301\u0316" * 60_000, "x" * 200_000):
        with pytest.raises(StanzaError) as caught:
            nick_key(nick)
        assert caught.value.condition is Condition.JID_MALFORMED
    assert time.process_time() - began < 1
    assert nick_key.cache_info().currsize == 0


def test_too_long() -> None:
    with pytest.raises(StanzaError) as caught:
        check_nick("x" * 11, 10)
    assert caught.value.condition is Condition.NOT_ACCEPTABLE
    assert check_nick("X" * 10, 10) == "x" * 10
