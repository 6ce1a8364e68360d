"""The search."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tests.bots.conftest import EXAMPLES
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "search.py"
STAMP = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


async def test_it_finds_what_others_have_said() -> None:
    async with Stage(load_bot(BOT)) as stage:
        room = stage.room()
        romeo, itself = room.occupant("Romeo"), room.occupant("bot")
        said = [romeo.message("a  rose " + "x" * 300), romeo.message("!search rose"), itself.message("a rose?")]
        stage.wire.archive = [msgspec.structs.replace(one, stamp=STAMP) for one in said]
        assert await romeo.says("!search rose") == [f"2026-02-03 04:05 Romeo: a rose {'x' * 193}…"]
        assert await romeo.says("!search tulip") == ["Nothing."]
        assert await stage.chat("romeo@example.org").says("search rose") == ["Ask in the room."]
