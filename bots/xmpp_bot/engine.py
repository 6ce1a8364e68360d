"""The engine: gives what comes to the bot's handlers and what they say to the connection. It knows no XML."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine

import msgspec
import structlog

from xmpp_bot.arguments import parse
from xmpp_bot.bot import Bot
from xmpp_bot.commands import Command, Handler
from xmpp_bot.config import Config
from xmpp_bot.context import Closer, Context
from xmpp_bot.errors import ArgumentError, ConfigError, Refusal
from xmpp_bot.limits import RateLimit
from xmpp_bot.messages import Join, Kind, Message, Outgoing, Reaction
from xmpp_bot.store import Store
from xmpp_bot.wire import Wire

#: For so long the ids of handled messages are kept: servers deliver and archives are asked for less.
REMEMBER_S = 60 * 86_400.0

_log = structlog.get_logger("xmpp_bot")


class Engine:
    """One running bot."""

    def __init__(self, bot: Bot, config: Config, store: Store, wire: Wire, clock: Callable[[], float]) -> None:
        self.bot = bot
        self.config = config
        self.store = store
        self._wire = wire
        self._clock = clock
        self._limit = RateLimit(config.commands_per_minute)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closers: list[Closer] = []
        self._starting = False
        #: From then on what comes is handled; before, it is only noted.
        self._started = False

    # The life.

    async def start(self) -> None:
        """Begin: at the first call what was left undone comes first.

        Raises:
            ConfigError: A handler of the start cannot do with the configuration.

        """
        self.flush()
        if self._starting:
            return
        self._starting = True
        self.store.prune(self._clock() - REMEMBER_S)
        for handler in self.bot.at_start:
            await self._guard(handler(self.context()), "start")
        self._started = True
        for key, data in self.store.waiting():
            self._spawn(self._handle(msgspec.json.decode(data, type=Message), key))

    def flush(self) -> None:
        """Send the answers that could not be sent before."""
        for data in self.store.unsent():
            self._pass_on(msgspec.json.decode(data, type=Outgoing))

    async def stop(self) -> None:
        """Wait for the handlers that run, then say goodbye."""
        await self.settle()
        for handler in self.bot.at_stop:
            await self._guard(handler(self.context()), "stop")
        while self._closers:
            await self._guard(self._closers.pop()(), "stop")

    async def settle(self) -> None:
        """Wait for the handlers that run."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def tick(self) -> float:
        """Call the timers that are due; return in how many seconds the next one is."""
        marks, now = self.store.shelf("timer"), self._clock()
        nearest = 3600.0
        for timer in self.bot.timers:
            interval_s = timer.interval.total_seconds()
            last = marks.get(timer.name, -1.0)
            if last < 0:
                last = now
                marks.set(timer.name, now)
            elif now - last >= interval_s:
                last = now
                marks.set(timer.name, now)
                await self._guard(timer.handler(self.context()), timer.name)
            nearest = min(nearest, last + interval_s - now)
        return max(0.0, nearest)

    def context(self) -> Context:
        """Return a context for a call that nobody has caused."""
        return self._context(self._deliver)

    # What comes.

    def receive(self, message: Message) -> None:
        """Take a message; it is noted when this returns, and handled soon."""
        keys, now = message.keys or (uuid.uuid4().hex,), self._clock()
        late = message.stamp is not None
        if message.stamp and now - message.stamp.timestamp() > self.config.catch_up_hours * 3600:
            _log.info("too_late", key=keys[0])
        elif not self.store.receive(keys, msgspec.json.encode(message), now, late=late):
            _log.info("repeated", key=keys[0])
        elif self._started:
            self._spawn(self._handle(message, keys[0]))

    def joined(self, join: Join) -> None:
        """Take somebody's coming into a room."""
        sender = f"{join.room}/{join.nick}"
        message = Message(
            sender=sender,
            user=join.user,
            text="",
            kind=Kind.GROUPCHAT,
            room=join.room,
            nick=join.nick,
            affiliation=join.affiliation,
        )
        for handler in self.bot.at_join:
            context = self.context().of(message)
            context.join = join
            self._spawn(self._call(handler, context))

    def reacted(self, reaction: Reaction) -> None:
        """Take a reaction."""
        for emojis, handler in self.bot.at_reaction:
            if not emojis or emojis & set(reaction.emojis):
                context = self.context().of(reaction.source)
                context.reaction = reaction
                self._spawn(self._call(handler, context))

    # Commands.

    def find(self, message: Message) -> tuple[Command, str] | None:
        """Tell which command a message is, and the text after its name."""
        text = message.text.strip()
        prefix, nick = self.config.prefix_in(message.room), self.config.nick_in(message.room)
        if text.startswith(prefix):
            text = text[len(prefix) :].lstrip()
        elif text.lower().startswith((f"{nick.lower()}:", f"{nick.lower()},")):
            text = text[len(nick) + 1 :].lstrip()
        elif message.kind is Kind.GROUPCHAT:
            return None
        name, _, rest = text.partition(" ")
        first, _, more = name.partition("\n")
        command = self.bot.commands.get(first.lower())
        return (command, f"{more} {rest}".strip()) if command else None

    async def run(self, command: Command, values: list[object], context: Context) -> None:
        """Run a command whose arguments are read already; what the user must know is answered."""
        if context.role < command.role:
            await context.reply(f"Only for {command.role.name.lower()}s.")
        elif not self._limit.take(context.user, self._clock()):
            await context.reply("That was too much; wait a little.")
        else:
            await self._call(command.handler, context, *values)

    async def perform(self, command: Command, values: list[object], message: Message) -> list[Outgoing]:
        """Run a command for somebody who waits for the outcome elsewhere; return what it says to them."""
        said: list[Outgoing] = []

        def take(outgoing: Outgoing) -> None:
            if outgoing.to == message.conversation:
                said.append(outgoing)
            else:
                self._deliver(outgoing)

        await self.run(command, values, self._context(take).of(message))
        return said

    async def _handle(self, message: Message, key: str) -> None:
        try:
            await self._dispatch(message, self._context(lambda outgoing: self._deliver(outgoing, key)).of(message))
        finally:
            # Cancelled, the bot ends in haste: what was not answered is, after the restart.
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                self.store.done(key)

    async def _dispatch(self, message: Message, context: Context) -> None:
        found = self.find(message)
        if found is not None:
            command, text = found
            _log.info("command", name=command.name, user=message.user, room=message.room)
            try:
                values = parse(command.parameters, text)
            except ArgumentError as error:
                prefix = self.config.prefix_in(message.room) if message.kind is Kind.GROUPCHAT else ""
                await context.reply(f"{_sentence(error)} Usage: {prefix}{command.usage}")
                return
            await self.run(command, values, context)
            return
        # Outside rooms each message is for the bot, and counts: two bots would answer each other for ever.
        if message.kind is Kind.CHAT and self.bot.patterns and not self._limit.take(context.user, self._clock()):
            _log.warning("too_much", user=context.user)
            return
        for pattern in self.bot.patterns:
            if match := pattern.regex.search(message.text):
                context.match = match
                await self._call(pattern.handler, context)

    async def _call(self, handler: Handler, context: Context, *values: object) -> None:
        """Run a handler; what it returns or refuses is the answer, and its mistakes are logged."""
        try:
            answer = await handler(context, *values)
        except Refusal as refusal:
            answer = str(refusal)
        except Exception:  # whatever a handler does wrong, the bot goes on
            _log.exception("failed", handler=getattr(handler, "__name__", ""), user=context.user)
            answer = "That went wrong; it is noted."
        if answer:
            await context.reply(answer)

    async def _guard(self, call: Awaitable[object], name: str) -> None:
        try:
            await call
        except ConfigError:
            raise
        except Exception:  # as in `_call`
            _log.exception("failed", handler=name)

    # What goes.

    def _context(self, send: Callable[[Outgoing], None]) -> Context:
        return Context(self.config, self.store, self._wire, send, _new_id, self._clock, self._closers.append)

    def _deliver(self, outgoing: Outgoing, key: str = "") -> None:
        """Note an answer and send it; a chat state is worth nothing later."""
        if outgoing.state:
            self._wire.transmit(outgoing, lambda: None)
            return
        self.store.answer(key, outgoing.id, msgspec.json.encode(outgoing))
        self._pass_on(outgoing)

    def _pass_on(self, outgoing: Outgoing) -> None:
        self._wire.transmit(outgoing, lambda: self.store.sent(outgoing.id))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _new_id() -> str:
    return uuid.uuid4().hex


def _sentence(error: ArgumentError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
