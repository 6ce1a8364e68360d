"""Names that look the same share a skeleton."""
# ruff: noqa: RUF001 - ambiguous letters are what this is about

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.core.confusables import skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "аlice"),
        ("alice", "a1ice"),
        ("bob", "b0b"),
        ("zoe", "zoë"),
        ("paypal", "раураl"),
        ("mercutio", "rnercutio"),
        ("watch", "vvatch"),
    ],
)
def test_look_alikes_share_a_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("alice", "alicia"), ("bob", "rob"), ("user2", "user3")])
def test_other_names_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@given(st.text())
def test_any_name_has_one(name: str) -> None:
    assert skeleton(name) == skeleton(name.casefold())
