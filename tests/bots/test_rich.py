"""What is more than text, on the real server: reactions, corrections, chat states, people who come into rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import slixmpp

from tests.bots.conftest import NewBot, NewPerson, until
from tests.bots.test_examples_live import in_room, open_room, say

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

GUARDED = """\
from xmpp_bot import Bot, Context, Role

bot = Bot("guarded")

@bot.command("guarded", role=Role.OWNER)
async def guarded(ctx: Context, word: str) -> str:
    return f"done {word}"
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
    await until(lambda: len(got) == 4, lambda: got)
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


async def test_who_takes_an_owner_s_nick_while_the_bot_is_away_gets_no_rights(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    """What comes late is by who had the nick then: XEP-0421's id tells, not the nick."""
    file = tmp_path / "guarded.py"
    file.write_text(GUARDED)
    name = next(names)
    juliet, room = await person(name), slixmpp.JID(f"{name}@conference.localhost")
    await open_room(juliet, room.bare)
    bot = await new_bot(next(names), file, in_room(room.bare)).start()
    tybalt = await person(next(names))
    muc = tybalt.plugin["xep_0045"]
    await muc.join_muc_wait(room, "Tybalt", maxstanzas=0, timeout=10)
    say(tybalt, room.bare, "!guarded one")
    await tybalt.hears_text("Only for owners.", "groupchat")
    bot.kill()
    say(juliet, room.bare, "!guarded two")
    juliet.plugin["xep_0045"].leave_muc(room, "Juliet")
    await until(lambda: "Juliet" not in muc.get_roster(room), lambda: tybalt.heard)
    tybalt.send_presence(pto=f"{room}/Juliet")
    await until(
        lambda: {"Juliet", "Tybalt"} & set(muc.get_roster(room)) == {"Juliet"}, lambda: muc.get_roster(room), 10.0
    )
    say(tybalt, room.bare, "!guarded three")
    await tybalt.hears_text("!guarded three", "groupchat")
    muc.leave_muc(room, "Juliet")
    await tybalt.settle()
    await juliet.plugin["xep_0045"].join_muc_wait(room, "Juliet", maxstanzas=0, timeout=10)
    juliet.forget()
    await bot.start()
    await juliet.hears_text("done two", "groupchat")
    await juliet.hears_text("Only for owners.", "groupchat")
    await juliet.settle()
    assert sorted(juliet.texts("groupchat")) == ["Only for owners.", "done two"]


async def test_a_new_nick_is_nobody_who_comes(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    file = tmp_path / "rich.py"
    file.write_text(BOT)
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    await new_bot(next(names), file, in_room(room)).start()
    juliet.send_presence(pto=f"{room}/Giulietta")
    muc = juliet.plugin["xep_0045"]
    await until(lambda: "Giulietta" in muc.get_roster(slixmpp.JID(room)), lambda: juliet.heard)
    tybalt = await person(next(names))
    await tybalt.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), "Tybalt", maxstanzas=0, timeout=10)
    await juliet.hears_text("Welcome, Tybalt", "groupchat")
    assert [text for text in juliet.texts("groupchat") if "Welcome" in text] == ["Welcome, Tybalt"]


async def test_it_gets_into_a_room_with_a_password_and_back_when_put_out(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    file = tmp_path / "rich.py"
    file.write_text(BOT + "\nimport xmpp_bot.rooms\nxmpp_bot.rooms.AGAIN_S = 0.5\n")
    name = next(names)
    juliet, room = await person(name), slixmpp.JID(f"{name}@conference.localhost")
    muc = juliet.plugin["xep_0045"]
    await muc.join_muc_wait(room, "Juliet", maxstanzas=0, timeout=10)
    form = juliet.plugin["xep_0004"].make_form(ftype="submit")
    for var, value in (("passwordprotectedroom", "1"), ("roomsecret", "o'clock")):
        form.add_field(var=f"muc#roomconfig_{var}", value=value)
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/muc#roomconfig")
    await muc.set_room_config(room, form)
    bot = await new_bot(next(names), file, in_room(room.bare, 'password = "o\'clock"\n')).start()
    await until(lambda: "Nurse" in muc.get_roster(room), lambda: bot.log)
    await muc.set_role(room, "Nurse", "none", reason="out")
    await until(lambda: bot.count("out_of_room") == 1, lambda: bot.log)
    await until(lambda: "Nurse" in muc.get_roster(room), lambda: bot.log)
    say(juliet, room.bare, "!help work")
    await juliet.hears_text("!work", "groupchat")


async def test_without_an_upload_service_it_is_told(
    new_bot: NewBot, person: NewPerson, names: Iterator[str], tmp_path: Path
) -> None:
    file = tmp_path / "sender.py"
    file.write_text(SENDER)
    bot = await new_bot(next(names), file).start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "send")
    await juliet.hears_text("There is no upload service.")
