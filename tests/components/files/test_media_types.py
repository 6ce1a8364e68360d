"""Content types: only well-formed ones get into a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.media_types import essence, is_in, parsed


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("image/jpeg", "image/jpeg"),
        (" Image/JPEG ", "image/jpeg"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('text/plain;charset="utf-8"', 'text/plain;charset="utf-8"'),
        ("image", None),
        ("image/", None),
        ("a/b\r\nSet-Cookie: x", None),
        ("text/plain; charset", None),
        ("a/" + "b" * 300, None),
        ("", None),
    ],
)
def test_content_types_are_parsed(text, result):
    assert parsed(text) == result


@given(st.text(max_size=40) | st.from_regex(r"[a-z]+/[a-z]+(; [a-z]+=.*)?", fullmatch=True))
def test_what_is_parsed_can_stand_in_a_header(text):
    result = parsed(text)
    if result is not None:
        assert result.isascii()
        assert all(" " <= character <= "~" or character == "\t" for character in result)
        assert parsed(result) == result


@pytest.mark.parametrize(
    ("content_type", "patterns", "fits"),
    [
        ("image/png", ["image/png"], True),
        ("image/png; q=1", ["image/*"], True),
        ("image/svg+xml", ["image/png", "video/*"], False),
        ("imagery/png", ["image/*"], False),
        ("a/b", ["*/*"], True),
        ("a/b", [], False),
    ],
)
def test_patterns_fit(content_type, patterns, fits):
    assert is_in(content_type, patterns) is fits


def test_the_essence_has_no_parameters():
    assert essence("Text/HTML ; charset=x") == "text/html"
