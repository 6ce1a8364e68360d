"""Ranges and entity tags, case by case of RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.ranges import Part, UnsatisfiableError, is_known, part, range_applies

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "size", "wanted"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, Part(0, 4)),
        ("bytes=4-", 10, Part(4, 10)),
        ("bytes=-3", 10, Part(7, 10)),
        ("bytes=-30", 10, Part(0, 10)),
        ("bytes=8-100", 10, Part(8, 10)),
        ("Bytes= 0-0 ", 10, Part(0, 1)),
        ("bytes=5-4", 10, None),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-" + "9" * 30, 10, None),
    ],
)
def test_ranges_are_read(header, size, wanted):
    assert part(header, size) == wanted


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_behind_the_end_is_refused(header, size):
    with pytest.raises(UnsatisfiableError):
        part(header, size)


@given(st.text("bytes=0123456789-, ", max_size=25), st.integers(0, 2**40))
def test_a_part_is_within_the_file(header, size):
    try:
        found = part(header, size)
    except UnsatisfiableError:
        return
    if found is not None:
        assert 0 <= found.start < found.end <= size
        assert found.length > 0


def test_the_content_range_is_inclusive():
    assert Part(0, 4).content_range(10) == "bytes 0-3/10"


@pytest.mark.parametrize(
    ("if_range", "applies"), [(None, True), (ETAG, True), ('"other"', False), ('W/"abc"', False), ("Tue, 1", False)]
)
def test_if_range_compares_strongly(if_range, applies):
    assert range_applies(if_range, ETAG) is applies


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [(None, False), ("*", True), (ETAG, True), ('W/"abc"', True), ('"x", "abc"', True), ('"x"', False), ("abc", False)],
)
def test_if_none_match_compares_weakly(if_none_match, known):
    assert is_known(if_none_match, ETAG) is known
