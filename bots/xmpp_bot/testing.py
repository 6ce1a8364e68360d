"""Conversations and rooms without any server, for the tests of bots.

async def test_roll():
    async with Stage(bot) as stage:
        assert await stage.chat("romeo@example.org").says("roll 1") == ["1"]

What handlers do is done when `says` returns. `Stage(bot, store=PATH)` twice is a restart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import msgspec

from xmpp_bot.bot import Bot
from xmpp_bot.config import Config, RoomConfig
from xmpp_bot.durations import parse_duration
from xmpp_bot.engine import Engine
from xmpp_bot.messages import Join, Kind, Message, Outgoing, Reaction
from xmpp_bot.store import Store

#: When tests begin: some second of 2026.
BEGIN_S = 1_780_000_000.0


class FakeWire:
    """Takes down what would be sent."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.uploads: list[Path] = []
        self.kicked: list[tuple[str, str, str]] = []
        self.retracted: list[tuple[str, str, str]] = []
        self.nicks: dict[str, list[str]] = {}
        self.archive: list[Message] = []
        self.online = True

    def transmit(self, message: Outgoing, written: Callable[[], None]) -> None:
        """Take it down, while online."""
        if self.online:
            self.sent.append(message)
            written()

    async def upload(self, path: Path) -> str:
        """Make an address up."""
        self.uploads.append(path)
        return f"https://files.example.org/{path.name}"

    async def kick(self, room: str, nick: str, reason: str) -> None:
        """Take it down."""
        self.kicked.append((room, nick, reason))

    async def retract(self, room: str, stanza_id: str, reason: str) -> None:
        """Take it down."""
        self.retracted.append((room, stanza_id, reason))

    async def search(self, room: str, text: str, limit: int) -> list[Message]:
        """Search `archive`, which a test fills."""
        words = text.lower().split()
        found = [one for one in self.archive if one.room == room and all(word in one.text.lower() for word in words)]
        return found[-limit:]

    def occupants(self, room: str) -> list[str]:
        """Those who have joined."""
        return self.nicks.get(room, [])


class Stage:
    """A bot on a stage: it runs inside `async with`, in a time that the test moves."""

    def __init__(
        self, bot: Bot, *, store: Path | str = ":memory:", now: float = BEGIN_S, config: Config | None = None
    ) -> None:
        """Set the stage.

        Args:
            bot: The bot.
            store: A file that outlives the stage.
            now: The time at the start, in seconds of the epoch.
            config: A configuration; rooms are added to it as they are used.

        """
        self.wire = FakeWire()
        self.now = now
        base = config or Config(jid="bot@example.org/bot", password="x", commands_per_minute=1000)  # noqa: S106
        self.store = Store(str(store))
        self.engine = Engine(bot, base, self.store, self.wire, lambda: self.now)
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Stage:
        await self.engine.start()
        await self.engine.tick()
        await self.engine.settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.engine.stop()
        self.store.close()

    def chat(self, user: str) -> Conversation:
        """Return a conversation of somebody with the bot."""
        message = Message(sender=f"{user}/home", user=user, text="")
        return Conversation(self, message, user)

    def room(self, jid: str = "room@conference.example.org") -> Room:
        """Return a room that the bot is in."""
        config = self.engine.config
        if jid not in {room.jid for room in config.rooms}:
            rooms = (*config.rooms, RoomConfig(jid=jid))
            self.engine.config = msgspec.structs.replace(config, rooms=rooms)
        self.wire.nicks.setdefault(jid, [self.engine.config.nick_in(jid)])
        return Room(self, jid)

    async def passes(self, duration: str) -> None:
        """Let time pass, and timers ring."""
        end = self.now + parse_duration(duration).total_seconds()
        while self.now < end:
            self.now = min(end, self.now + max(1.0, await self.engine.tick()))
        await self.engine.tick()
        await self.engine.settle()

    def new_id(self) -> str:
        """Return an id that no message had."""
        return f"stage-{id(self):x}-{next(self._ids)}"


class Conversation:
    """What one person writes in one place, and what the bot says there."""

    def __init__(self, stage: Stage, template: Message, place: str) -> None:
        self._stage = stage
        self._template = template
        self._place = place

    def message(self, text: str, ident: str = "") -> Message:
        """Return a message of this person."""
        ident = ident or self._stage.new_id()
        stanza_id = f"sid-{ident}" if self._template.room else ""
        return msgspec.structs.replace(self._template, text=text, id=ident, stanza_id=stanza_id)

    async def says(self, text: str, ident: str = "") -> list[str]:
        """Write a message; return the texts that the bot says here upon it. The same `ident` is the same message."""
        before = len(self._stage.wire.sent)
        self._stage.engine.receive(self.message(text, ident))
        await self._stage.engine.settle()
        return _texts(self._since(before))

    async def reacts(self, target: str, *emojis: str) -> list[str]:
        """React to a message; return the texts that the bot says here upon it."""
        before = len(self._stage.wire.sent)
        self._stage.engine.reacted(Reaction(source=self.message(""), target=target, emojis=emojis))
        await self._stage.engine.settle()
        return _texts(self._since(before))

    @property
    def heard(self) -> list[Outgoing]:
        """All that the bot has sent here."""
        return self._since(0)

    @property
    def texts(self) -> list[str]:
        """All texts that the bot has said here."""
        return _texts(self.heard)

    def _since(self, before: int) -> list[Outgoing]:
        return [one for one in self._stage.wire.sent[before:] if one.to.startswith(self._place)]


class Room:
    """A room with the bot in it."""

    def __init__(self, stage: Stage, jid: str) -> None:
        self._stage = stage
        self.jid = jid

    def occupant(self, nick: str, *, user: str = "", affiliation: str = "none") -> Conversation:
        """Return what somebody says in the room, who was there before the bot; `user` is a bare JID that it sees."""
        sender = f"{self.jid}/{nick}"
        nicks = self._stage.wire.nicks[self.jid]
        if nick not in nicks:
            nicks.append(nick)
        message = Message(
            sender=sender,
            user=user or sender,
            text="",
            kind=Kind.GROUPCHAT,
            room=self.jid,
            nick=nick,
            affiliation=affiliation,
        )
        return Conversation(self._stage, message, self.jid)

    async def joins(self, nick: str, *, user: str = "", affiliation: str = "none") -> Conversation:
        """Let somebody in; return what they say."""
        occupant = self.occupant(nick, user=user, affiliation=affiliation)
        self._stage.engine.joined(
            Join(room=self.jid, nick=nick, user=user or f"{self.jid}/{nick}", affiliation=affiliation)
        )
        await self._stage.engine.settle()
        return occupant

    @property
    def texts(self) -> list[str]:
        """All texts that the bot has said to the room."""
        return _texts(one for one in self._stage.wire.sent if one.to == self.jid)


def _texts(sent: Iterable[Outgoing]) -> list[str]:
    return [one.text or one.url for one in sent if one.text or one.url]
