"""A bot on the real server: commands in chats, rooms and menus; killed, it answers each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import slixmpp
import trustme

from tests.bots.conftest import Gate, NewBot, NewPerson, until

Names = Iterator[str]

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


async def test_it_answers_and_goes_in_good_order(
    new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path
) -> None:
    bot = await new_bot(next(names), written(tmp_path)).start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "add 2 3")
    await juliet.hears_text("= 5")
    juliet.say(bot.jid, "add 2")
    await juliet.hears_text("Two is missing. Usage: add <one> <two>")
    assert bot.stop() == 0
    assert bot.count("offline") == 1


async def test_killed_it_answers_each_command_once(
    new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path
) -> None:
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


async def test_in_a_room_it_answers_each_once(new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path) -> None:
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


async def test_commands_are_in_menus(new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path) -> None:
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


async def test_a_wrong_password_ends_it(new_bot: NewBot, names: Names, tmp_path: Path) -> None:
    bot = new_bot(next(names), written(tmp_path))
    bot.configure(password="herring")
    bot.launch()
    assert bot.wait() == 1
    assert bot.count(f"Error: the server refuses the password of {bot.jid}/bot") == 1
    bot.expected.add(f"Error: the server refuses the password of {bot.jid}/bot")
    bot.expected.add("ERROR slixmpp.features.feature_mechanisms.mechanisms: No appropriate login method.")


async def test_an_authority_that_is_not_pinned_gets_no_password(new_bot: NewBot, names: Names, tmp_path: Path) -> None:
    """`ca_file` is whom to trust, and nobody else: the bot stays away, and tries again later."""
    bot = new_bot(next(names), written(tmp_path))
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    bot.configure(ca_file=str(other))
    bot.launch()
    await until(lambda: bot.count("disconnected") >= 2, lambda: bot.log)
    assert bot.count("online") == 0
    bot.expected |= {str(one["event"]) for one in bot.log if "certificate" in str(one["event"]).lower()}


async def test_it_comes_back_to_a_server_that_was_away(
    new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path, gate: Gate
) -> None:
    """Each pause is longer than the one before; what was written meanwhile is answered."""
    bot = new_bot(next(names), written(tmp_path))
    bot.configure(server=await gate.open())
    await bot.start()
    juliet = await person(next(names))
    await gate.close()
    juliet.say(bot.jid, "add 1 2")
    await until(lambda: bot.count("unreachable") >= 2, lambda: bot.log)
    assert [one["again_in_s"] for one in bot.log if "again_in_s" in one] == [1.0, 2.0, 4.0]
    await gate.open()
    await juliet.hears_text("= 3", timeout_s=20.0)
    await juliet.settle()
    assert juliet.texts() == ["= 3"]
    assert bot.count("resumed") == 1, "the session was taken up again (XEP-0198), not begun anew"


@pytest.mark.parametrize(("policy", "answer"), [("accept", "subscribed"), ("refuse", "unsubscribed")])
async def test_who_wants_to_see_its_presence_is_answered(
    new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path, policy: str, answer: str
) -> None:
    config = f'subscriptions = "{policy}"\nstatus = "Write help to me"\n'
    bot = await new_bot(next(names), written(tmp_path), config).start()
    juliet = await person(next(names))
    juliet.send_presence_subscription(pto=bot.jid)
    await juliet.hears_presence(answer, bot.jid)
    if policy == "accept":
        await juliet.hears(lambda one: one.kind == "available" and one.text == "Write help to me")
