"""The hook, over real HTTP."""

from __future__ import annotations

import aiohttp
import pytest

from tests.bots.conftest import EXAMPLES
from xmpp_bot import Config, ConfigError
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "webhook.py"
ROMEO = "romeo@example.org"
OPTIONS: dict[str, object] = {"listen": "127.0.0.1:0", "token": "geheim"}
CONFIG = Config(jid="bot@example.org", options=OPTIONS)
KEY = {"Authorization": "Bearer geheim"}


async def test_what_is_posted_is_said() -> None:
    stage = Stage(load_bot(BOT), config=CONFIG)
    room = stage.room()
    # The bot reads its rooms when it starts.
    async with stage, aiohttp.ClientSession() as session:
        port = stage.store.shelf("bot").get("port", 0)
        url = f"http://127.0.0.1:{port}/rooms/{room.jid}"

        async def post(url: str, headers: dict[str, str], **body: object) -> int:
            async with session.post(url, headers=headers, **body) as response:  # type: ignore[arg-type]
                return response.status

        assert await post(url, KEY, data="The build is green") == 202
        assert await post(url, KEY, json={"text": "and red"}) == 202
        assert room.texts == ["The build is green", "and red"]
        assert await post(url, {}, data="x") == 401
        assert await post(url, {"Authorization": "Bearer gehei"}, data="x") == 401
        assert await post(f"{url}.other", KEY, data="x") == 404
        assert await post(url, KEY, data=" ") == 400
        assert await post(url, KEY, json=[1]) == 400
        assert await post(url, KEY, data="x" * 20_000) == 413
        assert len(room.texts) == 2
        assert await room.occupant("Romeo").says("!where") == [f"POST /rooms/{room.jid}"]
        assert await stage.chat(ROMEO).says("where") == ["Ask in a room."]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(url)


async def test_without_a_token_it_does_not_start() -> None:
    with pytest.raises(ConfigError, match="token"):
        async with Stage(load_bot(BOT)):
            pass
