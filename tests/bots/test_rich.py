"""What is more than text, on the real server: reactions, corrections, chat states, people who come into rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import slixmpp

from tests.bots.conftest import NewBot, NewPerson, until
from tests.bots.test_examples_live import in_room, open_room

BOT = """\
from xmpp_bot import Bot, Context

bot = Bot("rich")

@bot.command("work")
async def work(ctx: Context) -> None:
    await ctx.typing()
    await ctx.react("👀")
    ident = await ctx.reply("working")
    await ctx.edit(ident, "done")

@bot.on_reaction("👍")
async def thanks(ctx: Context) -> str:
    return "thanks"

@bot.on_join
async def welcome(ctx: Context) -> str:
    return f"Welcome, {ctx.nick}"
"""

SENDER = """\
from xmpp_bot import Bot, Context

bot = Bot("sender")

@bot.command("send")
async def send(ctx: Context) -> None:
    await ctx.send_file(__file__)
"""


async def test_it_reacts_and_corrects(new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path) -> None:
    file = tmp_path / "rich.py"
    file.write_text(BOT)
    name = next(names)
    juliet, room = await person(name, "xep_0085", "xep_0308", "xep_0444"), f"{name}@conference.localhost"
    await open_room(juliet, room)
    bot = await new_bot(next(names), file, in_room(room)).start()
    got: list[slixmpp.Message] = []
    for event in ("message", "reactions", "chatstate_composing"):
        juliet.add_event_handler(event, got.append)
    question = juliet.make_message(mto=slixmpp.JID(bot.jid), mbody="work", mtype="chat")
    question.send()
    await juliet.hears_text("done")
    await until(lambda: len(got) == 4, lambda: got, 10.0)
    state, reaction, first, second = got
    assert state["chat_state"] == "composing"
    assert reaction["reactions"]["id"] == question["id"]
    assert reaction["reactions"].get_values(all_chars=True) == {"👀"}
    assert second["replace"]["id"] == first["id"]
    juliet.plugin["xep_0444"].send_reactions(slixmpp.JID(bot.jid), second["id"], ["👍"])
    await juliet.hears_text("thanks")
    tybalt = await person(next(names))
    await tybalt.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), "Tybalt", maxstanzas=0, timeout=10)
    await juliet.hears_text("Welcome, Tybalt", "groupchat")


async def test_without_an_upload_service_it_is_told(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    file = tmp_path / "sender.py"
    file.write_text(SENDER)
    bot = await new_bot(next(names), file).start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "send")
    await juliet.hears_text("There is no upload service.")
