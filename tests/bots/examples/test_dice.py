"""Dice and the quiz."""

from __future__ import annotations

import re

import pytest

from tests.bots.conftest import EXAMPLES
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "dice.py"
ROMEO = "romeo@example.org"


async def test_dice_are_within_their_sides() -> None:
    async with Stage(load_bot(BOT)) as stage:
        romeo = stage.chat(ROMEO)
        for _ in range(20):
            (text,) = await romeo.says("roll 3d6+2")
            match = re.fullmatch(r"romeo rolls (\d+) \((\d) \+ (\d) \+ (\d)\+2\)", text)
            assert match
            total, *rolls = map(int, match.groups())
            assert total == sum(rolls) + 2
            assert all(1 <= one <= 6 for one in rolls)


@pytest.mark.parametrize("dice", ["x", "0d6", "101d6", "1d1", "d"])
async def test_odd_dice_are_refused(dice: str) -> None:
    async with Stage(load_bot(BOT)) as stage:
        (text,) = await stage.chat(ROMEO).says(f"roll {dice}")
        assert "rolls" not in text


async def test_who_answers_first_gets_the_point() -> None:
    async with Stage(load_bot(BOT)) as stage:
        room = stage.room()
        romeo, juliet = room.occupant("Romeo"), room.occupant("Juliet")
        assert await romeo.says("!quiz") == ["Which port do XMPP clients use by custom?"]
        assert await romeo.says("5223?") == []
        assert await juliet.says("it is 5222!") == ["Right, Juliet! That makes 1."]
        assert await romeo.says("5222") == []
        assert await romeo.says("!scores") == ["1 Juliet"]


async def test_it_chooses() -> None:
    async with Stage(load_bot(BOT)) as stage:
        assert (await stage.chat(ROMEO).says('choose "a b" c'))[0] in ("a b", "c")
        assert await stage.chat(ROMEO).says("choose a") == ["Between what?"]
