"""PRECIS says what the library says, and no text makes it say so slowly."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from xmpp_server.precis import Profile

NAMES = ("UsernameCaseMapped", "OpaqueString", "NicknameCaseMapped")
#: Those with rules about their neighbours or about the whole string, and those that the rules ask for.
CONTEXT = (
    "\u0660\u0661\u06f0\u06f1\u30fb\u30a2\u6f22\u00b7lL\u0375\u03b1\u05f3\u05d0\u200c\u200d\u0915\u094d\u0628x1 \u0301"
)


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(st.sampled_from(CONTEXT), max_size=8) | st.text(max_size=8))
def test_agrees_with_the_library(name: str, text: str) -> None:
    def outcome(enforce: object) -> str | None:
        assert callable(enforce)
        try:
            return str(enforce(text))
        except ValueError:
            return None

    assert outcome(Profile(name).enforce) == outcome(get_profile(name).enforce)


@pytest.mark.parametrize("text", ["\u30fb" * 340 + "\u30a2", "\u0661" * 500, "\u06f1" * 500, "\u30fb" * 340])
def test_takes_no_longer_for_odd_characters(text: str) -> None:
    """Hundreds of them, of which each would be judged by all the others: it took 50 ms, now 2 ms."""
    profile = Profile("OpaqueString")
    start = time.perf_counter()
    for _ in range(5):
        try:
            profile.enforce(text)
        except ValueError:
            continue
    assert time.perf_counter() - start < 0.1
