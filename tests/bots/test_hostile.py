"""Strangers who write to a bot what rooms and servers write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import slixmpp

from tests.bots.conftest import EXAMPLES, NewBot, NewPerson
from xmpp_bot.config import Config
from xmpp_bot.rooms import SLACK, Rooms
from xmpp_bot.store import Store

Names = Iterator[str]


async def test_who_is_no_room_does_not_speak_as_one(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    """Else the answer would go nowhere, and no rate would count."""
    bot = await new_bot(next(names), EXAMPLES / "dice.py").start()
    tybalt = await person(next(names))
    tybalt.send_message(mto=slixmpp.JID(f"{bot.jid}/bot"), mbody="!roll 1d6", mtype="groupchat")
    tybalt.say(bot.jid, "scores")
    await tybalt.hears_text("Nobody has any points.")
    assert bot.count("command") == 1


async def test_forged_times_hide_nothing_from_those_who_catch_up() -> None:
    client = slixmpp.ClientXMPP("bot@example.org/bot", "secret")
    store = Store(":memory:")
    rooms, now = Rooms(client, Config(jid="bot@example.org", password="secret"), store), datetime.now(UTC)
    rooms.saw("", now + timedelta(days=30_000))
    seen = rooms.seen("")
    assert seen is not None
    assert now <= seen + SLACK <= datetime.now(UTC)
    rooms.saw("", datetime(1970, 1, 2, tzinfo=UTC))
    assert rooms.seen("") == seen
    again = Rooms(client, Config(jid="bot@example.org", password="secret"), store)
    again.saw("", datetime(1970, 1, 2, tzinfo=UTC))
    assert again.seen("") == seen
    store.shelf("seen").set("", (now + timedelta(days=30_000)).isoformat())
    ahead = again.seen("")
    assert ahead is not None
    assert ahead <= datetime.now(UTC)
    store.close()
