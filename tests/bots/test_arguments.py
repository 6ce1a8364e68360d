"""Arguments are read by the types of parameters, and users are told what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_bot.arguments import Rest, parameters_of, parse
from xmpp_bot.durations import format_duration, parse_duration
from xmpp_bot.errors import ArgumentError


async def plain(ctx: object, count: int, name: str = "nobody", loud: bool = False) -> None: ...


async def choosing(ctx: object, side: Literal["heads", "tails"], wait: timedelta | None = None) -> None: ...


async def writing(ctx: object, when: timedelta, text: Rest) -> None: ...


async def listing(ctx: object, *words: str) -> None: ...


def test_words_become_values():
    assert parse(parameters_of(plain), '3 "Lady Capulet" yes') == [3, "Lady Capulet", True]
    assert parse(parameters_of(plain), "3") == [3, "nobody", False]
    assert parse(parameters_of(choosing), "HEADS 1h30m") == ["heads", timedelta(minutes=90)]
    assert parse(parameters_of(choosing), "tails") == ["tails", None]


def test_the_rest_is_left_as_it_is():
    assert parse(parameters_of(writing), '5m  don\'t  say "never"') == [timedelta(minutes=5), 'don\'t  say "never"']


def test_many_words():
    assert parse(parameters_of(listing), 'a "b c" d') == ["a", "b c", "d"]
    assert parse(parameters_of(listing), "") == []


@pytest.mark.parametrize(
    ("handler", "text", "error"),
    [
        (plain, "", "count is missing"),
        (plain, "many", "count: “many” is not a whole number"),
        (plain, "1 a maybe", "loud: “maybe” is not yes or no"),
        (plain, "1 a no more", "“more” is too much"),
        (plain, '1 "a', "a quotation mark is not closed"),
        (choosing, "edge", "side is one of heads, tails, not “edge”"),
        (writing, "5m", "text is missing"),
        (writing, "soon x", "when: “soon” is not a duration such as 90s, 5m, 1h30m or 2d"),
    ],
)
def test_users_are_told(handler, text, error):
    with pytest.raises(ArgumentError) as raised:
        parse(parameters_of(handler), text)
    assert str(raised.value) == error


def test_types_that_cannot_be_read_are_found_at_once():
    async def odd(ctx: object, value: bytes) -> None: ...

    with pytest.raises(TypeError, match="value cannot be"):
        parameters_of(odd)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for handler in (plain, choosing, writing, listing):
        try:
            parse(parameters_of(handler), text)
        except ArgumentError:
            continue


@given(st.integers(1, 3_650 * 86_400))
def test_durations_are_read_as_they_are_written(seconds):
    assert parse_duration(format_duration(timedelta(seconds=seconds))).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "0s", "99999w", "1h x"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"duration|too"):
        parse_duration(text)
