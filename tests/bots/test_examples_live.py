"""The examples as processes on the real server; slixmpp on both sides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import slixmpp

from tests.bots.conftest import EXAMPLES, BotProcess, NewBot, NewPerson, until
from tests.bots.feed_site import serve
from tests.interop.slix import SlixClient

Names = Iterator[str]


async def open_room(owner: SlixClient, room: str) -> None:
    """Create a room with the defaults."""
    muc = owner.plugin["xep_0045"]
    await muc.join_muc_wait(slixmpp.JID(room), "Juliet", maxstanzas=0, timeout=10)
    await muc.set_room_config(slixmpp.JID(room), owner.plugin["xep_0004"].make_form(ftype="submit"))


def say(client: SlixClient, room: str, text: str) -> None:
    client.send_message(mto=slixmpp.JID(room), mbody=text, mtype="groupchat")


def in_room(room: str, more: str = "") -> str:
    return f'[[rooms]]\njid = "{room}"\nnick = "Nurse"\n{more}'


async def test_echo(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    bot = await new_bot(next(names), EXAMPLES / "echo.py").start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "But <soft> & 'light'!")
    await juliet.hears_text("But <soft> & 'light'!")
    assert bot.stop() == 0


async def test_reminders_survive_a_kill(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    bot = await new_bot(next(names), EXAMPLES / "reminders.py").start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "remind 2s tea")
    await juliet.hears(lambda one: one.text.startswith("I will, in 2s"))
    bot.kill()
    await bot.start()
    await juliet.hears_text(f"{juliet.boundjid.user}: tea")
    await juliet.settle()
    assert sum("tea" in text for text in juliet.texts()) == 1


async def test_dice_in_a_room(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    await new_bot(next(names), EXAMPLES / "dice.py", in_room(room)).start()
    say(juliet, room, "!quiz")
    await juliet.hears_text("Which port do XMPP clients use by custom?", "groupchat")
    say(juliet, room, "5222, of course")
    await juliet.hears_text("Right, Juliet! That makes 1.", "groupchat")


async def test_the_webhook_speaks_in_a_room(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    options = '[options]\nlisten = "127.0.0.1:0"\ntoken = "geheim"\n'
    bot = await new_bot(next(names), EXAMPLES / "webhook.py", in_room(room, options)).start()
    port = _remembered(bot, "port")
    headers = {"Authorization": "Bearer geheim"}
    url = f"http://127.0.0.1:{port}/rooms/{room}"
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers, data="green") as answer:
        assert answer.status == 202
    await juliet.hears_text("green", "groupchat")


async def test_the_moderator_puts_strangers_out(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    name, nurse = next(names), next(names)
    juliet, room = await person(name, "xep_0425"), f"{name}@conference.localhost"
    await open_room(juliet, room)
    await juliet.plugin["xep_0045"].set_affiliation(slixmpp.JID(room), "admin", jid=slixmpp.JID(f"{nurse}@localhost"))
    options = '[options]\nwords = ["poison"]\nstrikes = "1"\n'
    await new_bot(nurse, EXAMPLES / "moderator.py", in_room(room, options)).start()
    tybalt = await person(next(names))
    retracted: list[str] = []
    juliet.add_event_handler("moderated_message", lambda message: retracted.append(_reason(message)))
    await tybalt.plugin["xep_0045"].join_muc_wait(slixmpp.JID(room), "Tybalt", maxstanzas=0, timeout=10)
    say(juliet, room, "poison is a word that owners may say")
    say(tybalt, room, "poison!")
    occupants = juliet.plugin["xep_0045"].get_roster
    await until(lambda: bool(retracted) and "Tybalt" not in occupants(slixmpp.JID(room)), lambda: juliet.heard)
    assert sorted(occupants(slixmpp.JID(room))) == ["Juliet", "Nurse"]
    assert retracted == ["that word is not for here"]


async def test_feeds_are_announced_once(new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path) -> None:
    juliet_name = next(names)
    juliet, room = await person(juliet_name), f"{juliet_name}@conference.localhost"
    await open_room(juliet, room)
    quick = tmp_path / "feeds.py"  # the same, but it looks each second
    quick.write_text((EXAMPLES / "feeds.py").read_text().replace('every("10m")', 'every("1s")'))
    bot = await new_bot(next(names), quick, in_room(room)).start()
    async with serve() as site:
        site.items(1)
        say(juliet, room, f"!follow {site.url}")
        await juliet.hears_text("I follow it; it has 1 entries.", "groupchat")
        site.items(1, 2)
        await juliet.hears_text("Number 2\nhttps://example.org/2", "groupchat")
        site.items(1, 2, 3)
        await juliet.hears_text("Number 3\nhttps://example.org/3", "groupchat")
        bot.kill()
        before = len(site.answers)
        await bot.start()
        await until(lambda: len(site.answers) >= before + 2, lambda: site.answers)
        assert set(site.answers[before:]) == {304}
        site.items(1, 2, 3, 4)
        await juliet.hears_text("Number 4\nhttps://example.org/4", "groupchat")
    await until(lambda: bot.count("feed_failed") > 0, lambda: bot.log)
    await juliet.settle()
    told = [text for text in juliet.texts("groupchat") if text.startswith("Number")]
    assert told == [f"Number {n}\nhttps://example.org/{n}" for n in (2, 3, 4)]


async def test_a_bot_comes_back_when_the_connection_is_lost(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    """Another login with the same resource ends the session of the bot."""
    name = next(names)
    bot = await new_bot(name, EXAMPLES / "echo.py").start()
    juliet = await person(next(names))
    thief = SlixClient(name, "bot")
    address = (str(juliet.custom_address[0]), int(juliet.custom_address[1]))
    await thief.online(address)
    await thief.offline()
    await until(lambda: bot.count("online") == 2, lambda: bot.log)
    juliet.say(bot.jid, "there again?")
    await juliet.hears_text("there again?")


def _reason(message: slixmpp.Message) -> str:
    return str(message.xml.findtext("{*}retract/{*}reason"))


def _remembered(bot: BotProcess, key: str) -> str:
    with sqlite3.connect(bot.folder / "bot.sqlite") as db:
        (value,) = db.execute("SELECT data FROM value WHERE scope = 'bot' AND key = ?", (key,)).fetchone()
    db.close()
    return bytes(value).decode()
