"""Names: what may be one, which are the same, and that a new one is free of tricks."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files import names as file_names
from components.xmpp_files.network_disk import names
from components.xmpp_files.network_disk.errors import DiskError


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(" a.txt ", "a.txt"), ("cafe\u0301", "caf\u00e9"), ("\u2665 x", "\u2665 x"), ("x" * 180, "x" * 180)],
)
def test_names_are_kept_in_nfc(typed, kept):
    assert names.entry_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", " ", ".", "..", "...", "a/b", "/", "a\\b", "a\x00b", "a\nb", "\u202ecod.exe", "x" * 181, "a.", "\ud800"],
)
def test_what_is_no_name_is_refused(typed):
    with pytest.raises(DiskError):
        names.entry_name(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [("A.TXT", "a.txt"), ("Stra\u00dfe", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("\ufb01sh", "fish")],
)
def test_names_that_look_the_same_are_the_same(one, other):
    assert names.key(one) == names.key(other)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("a.txt", 1, "a.txt"),
        ("a.txt", 2, "a (2).txt"),
        ("a", 12, "a (12)"),
        (".profile", 2, ".profile (2)"),
        ("a." + "x" * 30, 2, "a." + "x" * 30 + " (2)"),
    ],
)
def test_a_number_makes_another_name(name, number, expected):
    assert names.numbered(name, number) == expected


@given(st.text(min_size=1, max_size=200), st.integers(2, 999))
def test_numbered_names_are_names(text, number):
    name = file_names.cleaned(text)
    if name:
        numbered = names.numbered(name, number)
        assert len(numbered.encode()) <= file_names.MAX_BYTES
        assert names.entry_name(numbered) == numbered


@given(st.text(max_size=40))
def test_every_name_that_is_taken_is_stable(text):
    try:
        name = names.entry_name(text)
    except DiskError:
        return
    assert names.entry_name(name) == name
    assert "/" not in name
    assert name not in (".", "..")


def test_endless_names_take_no_time():
    began = time.process_time()
    with pytest.raises(DiskError):
        names.entry_name("a" + "\u0301\u0316" * 60_000)
    assert time.process_time() - began < 1


def test_paths_are_made_of_names():
    assert names.segments("/Photos//2026/") == ["Photos", "2026"]
    assert names.segments("") == names.segments("/") == []
    for path in ("/../etc", "a/./b", "/a/" * 40):
        with pytest.raises(DiskError):
            names.segments(path)
