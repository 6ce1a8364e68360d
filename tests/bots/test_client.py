"""A bot on the real server: commands in chats, rooms and menus; killed, it answers each once."""

from __future__ import annotations

from pathlib import Path

import pytest
import slixmpp

from tests.bots.conftest import NewBot, NewPerson

BOT = '''\
import asyncio
from xmpp_bot import Bot, Context

bot = Bot("sums")

@bot.command("add")
async def add(ctx: Context, one: int, two: int) -> str:
    """Add two numbers."""
    return f"= {one + two}"

@bot.command("slow")
async def slow(ctx: Context, number: int) -> None:
    """Think before the answer."""
    await asyncio.sleep(0.05)
    await ctx.reply(f"slow {number}")
'''


def written(folder: Path) -> Path:
    file = folder / "sums.py"
    file.write_text(BOT)
    return file


async def test_it_answers_and_goes_in_good_order(new_bot: NewBot, person: NewPerson, names, tmp_path: Path) -> None:
    bot = await new_bot(next(names), written(tmp_path)).start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "add 2 3")
    await juliet.hears_text("= 5")
    juliet.say(bot.jid, "add 2")
    await juliet.hears_text("Two is missing. Usage: add <one> <two>")
    assert bot.stop() == 0
    assert bot.count("offline") == 1


async def test_killed_it_answers_each_command_once(new_bot: NewBot, person: NewPerson, names, tmp_path: Path) -> None:
    bot = await new_bot(next(names), written(tmp_path)).start()
    juliet = await person(next(names))
    sent = 0
    for _ in range(3):
        for _ in range(8):
            juliet.say(bot.jid, f"slow {sent}")
            sent += 1
        await juliet.settle()
        bot.kill()
        for _ in range(4):
            juliet.say(bot.jid, f"slow {sent}")
            sent += 1
        await juliet.settle()
        await bot.start()
    juliet.say(bot.jid, "add 1 1")
    for number in range(sent):
        await juliet.hears_text(f"slow {number}")
    await juliet.hears_text("= 2")
    await juliet.settle()
    assert sorted(juliet.texts()) == sorted(["= 2", *(f"slow {number}" for number in range(sent))])


async def test_in_a_room_it_answers_each_once(new_bot: NewBot, person: NewPerson, names, tmp_path: Path) -> None:
    room = f"{next(names)}@conference.localhost"
    juliet = await person(next(names))
    await juliet.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), "Juliet", maxstanzas=0, timeout=10)
    await juliet.plugin["xep_0045"].set_room_config(
        slixmpp.JID(room), juliet.plugin["xep_0004"].make_form(ftype="submit")
    )
    bot = await new_bot(next(names), written(tmp_path), f'[[rooms]]\njid = "{room}"\nprefix = "."\n').start()

    def say(text: str) -> None:
        juliet.send_message(mto=slixmpp.JID(room), mbody=text, mtype="groupchat")

    say(".add 1 2")
    await juliet.hears_text("= 3", "groupchat")
    bot.kill()
    say(".add 2 2")
    await juliet.settle()
    await bot.start()
    await juliet.hears_text("= 4", "groupchat")
    say(".add 3 3")
    await juliet.hears_text("= 6", "groupchat")
    answers = [text for text in juliet.texts("groupchat") if text.startswith("=")]
    assert answers == ["= 3", "= 4", "= 6"]


async def test_commands_are_in_menus(new_bot: NewBot, person: NewPerson, names, tmp_path: Path) -> None:
    bot = await new_bot(next(names), written(tmp_path)).start()
    juliet = await person(next(names), "xep_0050")
    jid = slixmpp.JID(f"{bot.jid}/bot")
    adhoc = juliet.plugin["xep_0050"]
    items = await adhoc.get_commands(jid)
    assert {node for _, node, _ in items["disco_items"]["items"]} == {"add", "slow", "help"}
    first = await adhoc.send_command(jid, "add", action="execute")
    form = first["command"]["form"]
    assert list(form.get_fields()) == ["one", "two"]
    answer = juliet.plugin["xep_0004"].make_form(ftype="submit")
    answer.add_field(var="one", value="20")
    answer.add_field(var="two", value="3")
    done = await adhoc.send_command(
        jid, "add", action="complete", sessionid=first["command"]["sessionid"], payload=answer
    )
    assert done["command"]["status"] == "completed"
    assert done["command"]["notes"] == [("info", "= 23")]


async def test_a_wrong_password_ends_it(new_bot: NewBot, names, tmp_path: Path) -> None:
    bot = new_bot(next(names), written(tmp_path))
    config = tmp_path / bot.jid.partition("@")[0] / "bot.toml"
    config.write_text(config.read_text().replace("swordfish", "herring"))
    with pytest.raises(AssertionError, match="refuses the password"):
        await bot.start(timeout_s=3.0)
    bot.expected.add(f"Error: the server refuses the password of {bot.jid}/bot")
    bot.expected.add("ERROR slixmpp.features.feature_mechanisms.mechanisms: No appropriate login method.")
