"""What handlers get: who has written what and where, ways to answer, and the bot's memory."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from xmpp_bot.config import Config
from xmpp_bot.errors import BotError
from xmpp_bot.messages import Join, Kind, Message, Outgoing, Reaction, sendable
from xmpp_bot.roles import Role, role_of
from xmpp_bot.store import Shelf, Store
from xmpp_bot.wire import Wire

#: What is called at the end.
Closer = Callable[[], Awaitable[object]]


class Context:
    """One call of a handler. Of timers and at the start there is nobody to answer: use `say`."""

    def __init__(
        self,
        config: Config,
        memory: Store,
        wire: Wire,
        send: Callable[[Outgoing], None],
        new_id: Callable[[], str],
        clock: Callable[[], float],
        at_stop: Callable[[Closer], None],
    ) -> None:
        self.config = config
        self.wire = wire
        """The connection; in a running bot it is slixmpp's client."""
        self.match: re.Match[str] | None = None
        self.reaction: Reaction | None = None
        self.join: Join | None = None
        self._message: Message | None = None
        self._memory = memory
        self._send = send
        self._new_id = new_id
        self._clock = clock
        self.at_stop = at_stop
        """Have something called when the bot goes: `ctx.at_stop(session.close)`."""

    def of(self, message: Message) -> Context:
        """Give it the message that is answered."""
        self._message = message
        return self

    # Who, what, where.

    @property
    def message(self) -> Message:
        """The message.

        Raises:
            BotError: There is none.

        """
        if self._message is None:
            raise BotError("no message has led to this call: use ctx.say(to, text)")
        return self._message

    @property
    def text(self) -> str:
        """The whole text of the message."""
        return self.message.text

    @property
    def user(self) -> str:
        """Who has written: a bare JID, or an occupant's address where the room hides it."""
        return self.message.user

    @property
    def nick(self) -> str:
        """The name to call them."""
        return self.message.nick or self.message.user.partition("@")[0]

    @property
    def room(self) -> str:
        """The room, empty outside rooms."""
        return self.message.room

    @property
    def conversation(self) -> str:
        """Where answers go: keep it to `say` something later."""
        return self.message.conversation

    @property
    def role(self) -> Role:
        """What the sender is to the bot."""
        return role_of(self.message, self.config)

    @property
    def now(self) -> datetime:
        """The time; a test can move it."""
        return datetime.fromtimestamp(self._clock(), UTC)

    # Answers.

    async def reply(self, text: str) -> str:
        """Answer where the message came from; return the id, for `edit`."""
        return self._out(text=text)

    async def edit(self, ident: str, text: str) -> None:
        """Replace what the bot has said here (XEP-0308)."""
        self._out(text=text, replaces=ident)

    async def react(self, *emojis: str) -> None:
        """React to the message (XEP-0444); what was before is replaced, nothing takes it away."""
        message = self.message
        target = message.stanza_id if message.kind is Kind.GROUPCHAT else message.id
        self._out(reacts_to=target or message.id, reactions=emojis)

    async def typing(self, *, active: bool = True) -> None:
        """Show that an answer is being written (XEP-0085)."""
        self._out(state="composing" if active else "active")

    async def send_file(self, path: Path | str) -> str:
        """Upload a file (XEP-0363) and send its address; return the id."""
        return self._out(url=await self.wire.upload(Path(path)))

    async def say(self, to: str, text: str) -> str:
        """Say something to anybody, or in a room that the bot is in; return the id."""
        rooms = {room.jid for room in self.config.rooms}
        kind = (
            Kind.GROUPCHAT
            if to in rooms
            or (self._message and to == self._message.conversation and self._message.kind is Kind.GROUPCHAT)
            else Kind.CHAT
        )
        ident = self._new_id()
        self._send(Outgoing(to=to, id=ident, kind=kind, text=sendable(text)))
        return ident

    async def kick(self, nick: str, reason: str = "") -> None:
        """Put somebody out of this room; the bot must be a moderator."""
        await self.wire.kick(self.room, nick, reason)

    async def retract(self, reason: str = "") -> None:
        """Take this message back for everybody (XEP-0425); the bot must be a moderator."""
        if self.message.stanza_id:
            await self.wire.retract(self.room, self.message.stanza_id, reason)

    # Memory.

    @property
    def store(self) -> Shelf:
        """What the bot remembers."""
        return self._memory.shelf("bot")

    @property
    def user_store(self) -> Shelf:
        """What the bot remembers of the sender."""
        return self._memory.shelf("user", self.user)

    @property
    def room_store(self) -> Shelf:
        """What the bot remembers of the room; outside rooms, of the conversation."""
        return self._memory.shelf("room", self.room or self.user)

    def store_of(self, user: str) -> Shelf:
        """What the bot remembers of somebody else."""
        return self._memory.shelf("user", user)

    def option(self, name: str, default: str) -> str:
        """Return the text of an option of the bot's own."""
        return str(self.config.options.get(name, default))

    def options(self, name: str) -> list[str]:
        """Return an option that is a list of texts; empty without."""
        value = self.config.options.get(name)
        return [str(one) for one in value] if isinstance(value, list) else []

    def _out(
        self,
        *,
        text: str = "",
        replaces: str = "",
        reacts_to: str = "",
        reactions: tuple[str, ...] = (),
        url: str = "",
        state: str = "",
    ) -> str:
        ident = self._new_id()
        message = self.message
        self._send(
            Outgoing(
                to=message.conversation,
                id=ident,
                kind=message.kind,
                text=sendable(text),
                replaces=replaces,
                reacts_to=reacts_to,
                reactions=reactions,
                url=url,
                state=state,
            )
        )
        return ident
