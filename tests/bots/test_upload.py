"""Files of bots: the real server with the real upload service, and what is told when a file does not get there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import slixmpp

from tests.bots.conftest import ACCOUNTS, NewBot, NewPerson
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess, trusting

Names = Iterator[str]

RUN = '[[components]]\ndomains = ["upload.localhost"]\nrun = ["xmpp-files", "--config", "files.toml"]\n'
FILES = """\
[http]
listen = ["127.0.0.1:0"]
[proxy]
domain = ""
[upload]
max_file_bytes = 200000
content_types = ["image/*", "text/*"]
[quota]
min_free_bytes = 0
user_day_bytes = 250000
"""
BOT = """\
from xmpp_bot import Bot, Context

bot = Bot("sender")

@bot.command("send")
async def send(ctx: Context, path: str) -> None:
    await ctx.send_file(path)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own, with its upload service over HTTPS."""
    folder = tmp_path_factory.mktemp("uploads")
    process = ServerProcess(folder, RUN, component=0)
    (folder / "files.toml").write_text(FILES)
    with process.serving(*(f"user{number}" for number in range(ACCOUNTS))):
        yield process


@pytest.fixture
def bot_file(tmp_path: Path) -> Path:
    file = tmp_path / "sender.py"
    file.write_text(BOT)
    return file


def made(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(secrets.token_bytes(size))
    return path


def distrusting(bot_file: Path) -> Path:
    """Have a bot trust the system's authorities only, for uploads."""
    with bot_file.open("a") as out:
        out.write("import xmpp_bot.client as client\nold = client.Uploads\n")
        out.write("client.Uploads = lambda one, ca: old(one, '')\n")
    return bot_file


async def answer(person: SlixClient, text: str, bot: str) -> str:
    """Say something to a bot; return what it says then."""
    person.forget()
    person.say(bot, text)
    return (await person.hears(lambda one: one.kind == "chat" and one.sender.startswith(bot))).text


async def test_a_file_arrives_as_it_was(
    server: ServerProcess, new_bot: NewBot, person: NewPerson, names: Names, bot_file: Path, tmp_path: Path
) -> None:
    bot = await new_bot(next(names), bot_file).start()
    juliet = await person(next(names), "xep_0066")
    got: list[slixmpp.Message] = []
    juliet.add_event_handler("message", got.append)
    sent = made(tmp_path, "très cool.jpg", 123_456)
    url = await answer(juliet, f'send "{sent}"', bot.jid)
    assert got[-1]["oob"]["url"] == url
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trusting()) as response:
        assert await response.read() == sent.read_bytes()
        assert response.headers["Content-Type"] == "image/jpeg"


async def test_why_a_file_does_not_go_is_told(
    server: ServerProcess, new_bot: NewBot, person: NewPerson, names: Names, bot_file: Path, tmp_path: Path
) -> None:
    bot = await new_bot(next(names), bot_file).start()
    juliet = await person(next(names))
    said = await answer(juliet, f"send {made(tmp_path, 'large.txt', 200_001)}", bot.jid)
    assert said == "The file is too large: the server takes 200000 bytes at most."
    assert await answer(juliet, "send /nowhere/x", bot.jid) == "I cannot read or upload the file."
    assert await answer(juliet, f"send {tmp_path}", bot.jid) == "I cannot read or upload the file."
    said = await answer(juliet, f"send {made(tmp_path, 'x.zip', 10)}", bot.jid)
    assert said.startswith("The server does not take the file: ")
    assert (await answer(juliet, f"send {made(tmp_path, 'a.txt', 150_000)}", bot.jid)).startswith("https://")
    said = await answer(juliet, f"send {made(tmp_path, 'b.txt', 150_000)}", bot.jid)
    assert said.startswith("The server does not take the file: "), "the day's quota is used up"
    assert (await answer(juliet, f"send {made(tmp_path, 'c.txt', 10)}", bot.jid)).startswith("https://")


async def test_a_service_that_is_not_trusted_gets_nothing(
    server: ServerProcess, new_bot: NewBot, person: NewPerson, names: Names, bot_file: Path, tmp_path: Path
) -> None:
    """The bot trusts the authority in its configuration for uploads, too: with another one it uploads nothing."""
    bot = await new_bot(next(names), distrusting(bot_file)).start()
    juliet = await person(next(names))
    assert await answer(juliet, f"send {made(tmp_path, 'a.txt', 10)}", bot.jid) == "I cannot read or upload the file."
    (failed,) = (one for one in bot.log if one["event"] == "upload_failed")
    assert "certificate" in str(failed["error"])
