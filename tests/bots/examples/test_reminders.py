"""Reminders, over restarts too."""

from __future__ import annotations

from pathlib import Path

from tests.bots.conftest import EXAMPLES
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "reminders.py"
ROMEO = "romeo@example.org"


async def test_they_ring_in_time() -> None:
    async with Stage(load_bot(BOT)) as stage:
        romeo = stage.chat(ROMEO)
        (answer,) = await romeo.says("remind 5m the  tea")
        assert answer.startswith("I will, in 5m (")
        await stage.passes("4m")
        assert romeo.texts == [answer]
        assert (await romeo.says("reminders"))[0].endswith(": in 1m: the  tea")
        await stage.passes("2m")
        assert romeo.texts[2:] == ["romeo: the  tea"]
        assert await romeo.says("reminders") == ["You have none."]
        await stage.passes("1h")
        assert len(romeo.texts) == 4


async def test_they_survive_restarts(tmp_path: Path) -> None:
    async with Stage(load_bot(BOT), store=tmp_path / "s") as stage:
        await stage.chat(ROMEO).says("remind 5m tea")
        await stage.room().occupant("Juliet").says("!remind 1h poison")
        now = stage.now
    async with Stage(load_bot(BOT), store=tmp_path / "s", now=now + 1200) as stage:
        room = stage.room()
        await stage.passes("2s")
        assert stage.chat(ROMEO).texts == ["romeo: tea"]
        await stage.passes("1h")
        assert room.texts == ["Juliet: poison"]


async def test_they_can_be_forgotten() -> None:
    async with Stage(load_bot(BOT)) as stage:
        romeo = stage.chat(ROMEO)
        (answer,) = await romeo.says("remind 5m tea")
        ident = answer.rpartition("(")[2].rstrip(").")
        assert await stage.chat("tybalt@example.org").says(f"forget {ident}") == [f"You have no reminder “{ident}”."]
        assert await romeo.says(f"forget {ident}") == ["Forgotten."]
        await stage.passes("6m")
        assert len(romeo.texts) == 2
