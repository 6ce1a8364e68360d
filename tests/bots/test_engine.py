"""Commands, patterns, joins, reactions, timers; roles and limits; once and only once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from xmpp_bot import Bot, Config, Context, Refusal, Rest, Role, RoomConfig
from xmpp_bot.testing import Stage

ROMEO = "romeo@example.org"
JULIET = "juliet@example.org"
ROOM = "balcony@conference.example.org"


def config(**values: object) -> Config:
    return msgspec.convert({"jid": "bot@example.org", "password": "x", **values}, Config)


def make() -> Bot:
    bot = Bot()

    @bot.command("add", aliases=["sum"])
    async def add(ctx: Context, one: int, two: int = 1) -> str:
        """Add two numbers.

        Without the second, count.
        """
        return str(one + two)

    @bot.command("close", help="Close the door", role=Role.ADMIN)
    async def close(ctx: Context) -> str:
        return "closed"

    @bot.command("break")
    async def break_(ctx: Context) -> None:
        raise RuntimeError("a mistake")

    @bot.command("refuse", hidden=True)
    async def refuse(ctx: Context) -> None:
        raise Refusal("I will not.")

    @bot.on_message(r"\bhello (\w+)")
    async def hello(ctx: Context) -> str:
        assert ctx.match
        return f"{ctx.match[1]} says hello to {ctx.nick}"

    return bot


async def test_a_command_is_answered():
    async with Stage(make()) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says("add 2 3") == ["5"]
        assert await romeo.says("!SUM 2") == ["3"]
        assert await romeo.says("add") == ["One is missing. Usage: add <one> [two]"]
        assert await romeo.says("add\n2 3") == ["5"]
        assert await romeo.says("what?") == []


async def test_in_rooms_commands_have_a_prefix_or_the_nick():
    rooms = [{"jid": ROOM, "prefix": ".", "nick": "Nurse"}]
    async with Stage(make(), config=config(rooms=rooms)) as stage:
        romeo = stage.room(ROOM).occupant("Romeo")
        assert await romeo.says("add 2 3") == []
        assert await romeo.says("!add 2 3") == []
        assert await romeo.says(".add 2 3") == ["5"]
        assert await romeo.says("nurse: add 2 3") == ["5"]
        assert await romeo.says(".add x") == ["One: “x” is not a whole number. Usage: .add <one> [two]"]
        assert await stage.room().occupant("Romeo").says("!add 1") == ["2"]


async def test_help_comes_from_docstrings():
    async with Stage(make()) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says("help") == [
            "add <one> [two]: Add two numbers.\nbreak\nhelp [command]: Tell what I can do."
        ]
        assert await romeo.says("help add") == ["add <one> [two]: Add two numbers.\n\nWithout the second, count."]
        assert await romeo.says("help close") == ["I know no command “close”."]


async def test_refusals_and_mistakes_are_told():
    async with Stage(make()) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says("refuse") == ["I will not."]
        assert await romeo.says("break") == ["That went wrong; it is noted."]


async def test_roles_come_from_lists_and_from_rooms():
    async with Stage(make(), config=config(admins=[JULIET])) as stage:
        assert await stage.chat(ROMEO).says("close") == ["Only for admins."]
        assert await stage.chat(JULIET).says("close") == ["closed"]
        room = stage.room(ROOM)
        assert await room.occupant("a", affiliation="member").says("!close") == ["Only for admins."]
        assert await room.occupant("b", affiliation="owner").says("!close") == ["closed"]
        assert await room.occupant("c", user=JULIET).says("!close") == ["closed"]
    async with Stage(make(), config=config(room_roles=False)) as stage:
        assert await stage.room(ROOM).occupant("b", affiliation="owner").says("!close") == ["Only for admins."]


async def test_who_asks_too_much_waits():
    async with Stage(make(), config=config(commands_per_minute=2)) as stage:
        romeo = stage.chat(ROMEO)
        assert [await romeo.says("add 1") for _ in range(3)] == [["2"], ["2"], ["That was too much; wait a little."]]
        assert await stage.chat(JULIET).says("add 1") == ["2"]
        await stage.passes("31s")
        assert await romeo.says("add 1") == ["2"]


async def test_two_bots_do_not_talk_for_ever():
    async with Stage(make(), config=config(commands_per_minute=3)) as stage:
        other = stage.chat(JULIET)
        assert sum([len(await other.says("hello bot")) for _ in range(10)]) == 3
        occupant = stage.room(ROOM).occupant("Romeo")
        assert sum([len(await occupant.says("hello all")) for _ in range(10)]) == 10, "moderators must see them all"


async def test_what_no_stanza_can_carry_is_left_out():
    bot = Bot()

    @bot.command("odd")
    async def odd(ctx: Context) -> str:
        await ctx.say(JULIET, "\x00\ud800 but this 🌹\n\t")
        ident = await ctx.reply("\x1b[1m")
        await ctx.edit(ident, "\uffff")
        return "x" * 40_000

    async with Stage(bot) as stage:
        escape, edited, long = await stage.chat(ROMEO).says("odd")
        assert (escape, edited) == ("\ufffd[1m", "\ufffd")
        assert (len(long), long[-2:]) == (30_001, "x…")
        assert stage.chat(JULIET).texts == ["\ufffd\ufffd but this 🌹\n\t"]


async def test_patterns_match():
    async with Stage(make()) as stage:
        assert await stage.chat(ROMEO).says("oh HELLO Nurse!") == ["Nurse says hello to romeo"]


async def test_joins_reactions_edits_files_and_states(tmp_path):
    bot = Bot()

    @bot.on_join
    async def greet(ctx: Context) -> str:
        return f"Welcome, {ctx.nick}"

    @bot.on_reaction("👍")
    async def thanks(ctx: Context) -> str:
        assert ctx.reaction
        return f"thanks for {ctx.reaction.target}"

    @bot.command("work")
    async def work(ctx: Context) -> None:
        await ctx.typing()
        await ctx.react("👀")
        ident = await ctx.reply("working")
        await ctx.edit(ident, "done")
        await ctx.send_file(tmp_path / "a.txt")
        await ctx.say(JULIET, "Romeo works")

    async with Stage(bot) as stage:
        room = stage.room(ROOM)
        await room.joins("Romeo")
        assert room.texts == ["Welcome, Romeo"]
        romeo = stage.chat(ROMEO)
        assert await romeo.reacts("m1", "👍", "🎉") == ["thanks for m1"]
        assert await romeo.reacts("m1", "👎") == []
        assert await romeo.says("work", "m2") == ["working", "done", "https://files.example.org/a.txt"]
        state, reaction, first, second, _file = romeo.heard[1:]
        assert (state.state, reaction.reacts_to, reaction.reactions) == ("composing", "m2", ("👀",))
        assert second.replaces == first.id
        assert stage.chat(JULIET).texts == ["Romeo works"]


async def test_timers_ring_and_are_counted_over_restarts(tmp_path):
    def clock() -> Bot:
        bot = Bot()

        @bot.every("1h")
        async def strike(ctx: Context) -> None:
            await ctx.say(ROOM, "Ding")

        return bot

    settings = config(rooms=[{"jid": ROOM}])
    async with Stage(clock(), config=settings, store=tmp_path / "s") as stage:
        await stage.passes("59m")
        assert stage.room(ROOM).texts == []
        await stage.passes("2h")
        assert stage.room(ROOM).texts == ["Ding", "Ding"]
        now = stage.now
    async with Stage(clock(), config=settings, store=tmp_path / "s", now=now + 86400) as stage:
        assert stage.room(ROOM).texts == ["Ding"], "what was missed rings once"


async def test_memory_is_by_user_and_room():
    bot = Bot()

    @bot.command("keep")
    async def keep(ctx: Context, text: Rest) -> str:
        was = ctx.user_store.get("text", "nothing")
        ctx.user_store.set("text", text)
        ctx.room_store.set("last", text)
        return was

    @bot.command("last")
    async def last(ctx: Context) -> str:
        return ctx.room_store.get("last", "none")

    async with Stage(bot) as stage:
        assert await stage.chat(ROMEO).says("keep  a  rose ") == ["nothing"]
        assert await stage.chat(ROMEO).says("keep b") == ["a  rose"]
        assert await stage.chat(JULIET).says("keep c") == ["nothing"]
        assert await stage.room(ROOM).occupant("Romeo", user=ROMEO).says("!last") == ["none"]
        assert await stage.room(ROOM).occupant("Romeo", user=ROMEO).says("!keep d") == ["b"]
        assert await stage.room(ROOM).occupant("Juliet").says("!last") == ["d"]


# Once and only once.


async def test_what_comes_twice_is_answered_once(tmp_path):
    async with Stage(make(), store=tmp_path / "s") as stage:
        assert await stage.chat(ROMEO).says("add 1", "m1") == ["2"]
        assert await stage.chat(ROMEO).says("add 1", "m1") == []
    async with Stage(make(), store=tmp_path / "s") as stage:
        assert await stage.chat(ROMEO).says("add 1", "m1") == []
        assert await stage.room().occupant("Romeo").says("!add 1", "m1") == ["2"]


async def test_what_was_not_answered_is_after_a_restart(tmp_path):
    bot = Bot()
    forever = asyncio.Event()

    @bot.command("wait")
    async def wait(ctx: Context) -> str:
        await forever.wait()
        return "done"

    stage = Stage(bot, store=tmp_path / "s")
    await stage.engine.start()
    stage.engine.receive(stage.chat(ROMEO).message("wait", "m1"))
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
        await asyncio.wait([task])
    assert stage.wire.sent == []
    stage.store.close()
    forever.set()
    async with Stage(bot, store=tmp_path / "s") as stage:
        assert stage.chat(ROMEO).texts == ["done"]
    async with Stage(bot, store=tmp_path / "s") as stage:
        assert stage.chat(ROMEO).texts == []


async def test_what_could_not_be_sent_is_sent_later(tmp_path):
    async with Stage(make(), store=tmp_path / "s") as stage:
        stage.wire.online = False
        assert await stage.chat(ROMEO).says("add 1") == []
    async with Stage(make(), store=tmp_path / "s") as stage:
        assert stage.chat(ROMEO).texts == ["2"]
    async with Stage(make(), store=tmp_path / "s") as stage:
        assert stage.chat(ROMEO).texts == []


def test_prefixes_and_nicks_have_defaults():
    settings = Config(jid="b@x", password="x", rooms=(RoomConfig(jid=ROOM, nick="Nurse"),))
    assert (settings.prefix_in(ROOM), settings.nick_in(ROOM), settings.nick_in("other")) == ("!", "Nurse", "bot")


async def test_the_start_comes_before_all_messages(tmp_path):
    bot, order = Bot(), []

    @bot.on_start
    async def start(ctx: Context) -> None:
        await asyncio.sleep(0)
        order.append("start")

    @bot.on_stop
    async def stop(ctx: Context) -> None:
        order.append("stop")

    @bot.on_message()
    async def hear(ctx: Context) -> None:
        order.append(ctx.text)

    stage = Stage(bot)
    stage.engine.receive(stage.chat(ROMEO).message("early"))
    async with stage:
        await stage.engine.start()
        await stage.chat(ROMEO).says("late")
    assert order == ["start", "early", "late", "stop"]


async def test_what_is_too_old_is_left():
    async with Stage(make()) as stage:
        romeo = stage.chat(ROMEO)
        for hours in (25, 23):
            stamp = datetime.fromtimestamp(stage.now - hours * 3600, UTC)
            stage.engine.receive(msgspec.structs.replace(romeo.message(f"add {hours}"), stamp=stamp))
        await stage.engine.settle()
        assert romeo.texts == ["24"]


async def test_an_archive_that_gives_an_id_later_is_no_second_message():
    async with Stage(make()) as stage:
        romeo = stage.chat(ROMEO)
        live = romeo.message("add 1", "m1")
        stage.engine.receive(live)
        stamp = datetime.fromtimestamp(stage.now, UTC)
        stage.engine.receive(msgspec.structs.replace(live, stanza_id="a1", stamp=stamp))
        await stage.engine.settle()
        assert romeo.texts == ["2"]
        stage.engine.receive(msgspec.structs.replace(live, stanza_id="a2"))
        await stage.engine.settle()
        assert romeo.texts == ["2", "2"], "live, the archive's id alone counts: clients use theirs again"
