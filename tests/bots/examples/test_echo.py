"""The echo."""

from __future__ import annotations

from tests.bots.conftest import EXAMPLES
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "echo.py"
ROMEO = "romeo@example.org"


async def test_it_says_again() -> None:
    async with Stage(load_bot(BOT)) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says("But soft!") == ["But soft!"]
        assert await romeo.says('echo  what  "light"') == ['what  "light"']
        assert await romeo.says("LOUD soft") == ["SOFT"]


async def test_in_rooms_it_waits_for_the_command() -> None:
    async with Stage(load_bot(BOT)) as stage:
        romeo = stage.room().occupant("Romeo")
        assert await romeo.says("But soft!") == []
        assert await romeo.says("!echo But soft!") == ["But soft!"]
