"""Slots: only our own, unchanged and in time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.slots import Slot, SlotError, SlotSigner, new_id

NOW = 1_700_000_000
SIGNER = SlotSigner(b"k" * 32)
SLOT = Slot("abc", "très cool.jpg", 23456, "image/jpeg", SIGNER.uploader("romeo@montague.tld"), NOW + 300)

slots = st.builds(
    Slot,
    id=st.text(max_size=30),
    name=st.text(max_size=30),
    size=st.integers(0, 2**60),
    content_type=st.text(max_size=30),
    uploader=st.text(max_size=12),
    deadline=st.integers(NOW + 1, 2**40),
)


@given(slots)
def test_a_token_gives_its_slot_back(slot):
    token = SIGNER.token(slot)
    assert token.isascii()
    assert all(character.isalnum() or character in "-_." for character in token)
    assert SIGNER.verified(slot.id, slot.name, token, NOW) == slot


@given(st.integers(0, 200), st.sampled_from("ABab01-_.=%é\n"))
def test_a_changed_token_is_refused(position, character):
    token = SIGNER.token(SLOT)
    changed = token[: position % len(token)] + character + token[position % len(token) + 1 :]
    try:
        slot = SIGNER.verified(SLOT.id, SLOT.name, changed, NOW)
    except SlotError:
        return
    assert slot == SLOT  # the last character of base64 has bits that do not count


@given(st.text(max_size=100))
def test_an_invented_token_is_refused(token):
    with pytest.raises(SlotError):
        SIGNER.verified(SLOT.id, SLOT.name, token, NOW)


@pytest.mark.parametrize("other", [replace(SLOT, id="abd"), replace(SLOT, name="x.exe"), replace(SLOT, id="abctr")])
def test_a_token_is_for_its_path_only(other):
    with pytest.raises(SlotError):
        SIGNER.verified(other.id, other.name, SIGNER.token(SLOT), NOW)


def test_a_token_of_another_key_is_refused():
    with pytest.raises(SlotError):
        SlotSigner(b"x" * 32).verified(SLOT.id, SLOT.name, SIGNER.token(SLOT), NOW)


def test_a_token_ends_in_time():
    token = SIGNER.token(SLOT)
    assert SIGNER.verified(SLOT.id, SLOT.name, token, SLOT.deadline - 1)
    with pytest.raises(SlotError, match="too late"):
        SIGNER.verified(SLOT.id, SLOT.name, token, SLOT.deadline)


def test_a_long_token_is_not_looked_at():
    with pytest.raises(SlotError, match="too long"):
        SIGNER.verified(SLOT.id, SLOT.name, "A" * 2000, NOW)


def test_uploaders_are_told_apart_and_not_named():
    assert SIGNER.uploader("romeo@montague.tld") != SIGNER.uploader("juliet@montague.tld")
    assert "romeo" not in SIGNER.token(SLOT)


def test_ids_are_long_and_random():
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(one) for one in ids} == {24}
