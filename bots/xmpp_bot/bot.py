"""A bot's definition: handlers, registered by decorators. It is run by the client, or by a test without any server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from xmpp_bot.commands import Command, Handler, Pattern, Timer
from xmpp_bot.context import Context
from xmpp_bot.durations import parse_duration
from xmpp_bot.help import help_text
from xmpp_bot.messages import Kind
from xmpp_bot.roles import Role

H = TypeVar("H", bound=Handler)


class Bot:
    """Handlers; the order of registration is the order of trial.

    bot = Bot("dice")

    @bot.command("roll")
    async def roll(ctx: Context, sides: int = 6) -> str:
        '''Roll a die.'''
        return str(random.randint(1, sides))
    """

    def __init__(self, name: str = "bot") -> None:
        self.name = name
        self.commands: dict[str, Command] = {}
        self.patterns: list[Pattern] = []
        self.timers: list[Timer] = []
        self.at_start: list[Handler] = []
        self.at_stop: list[Handler] = []
        self.at_join: list[Handler] = []
        self.at_reaction: list[tuple[frozenset[str], Handler]] = []

        async def tell(ctx: Context, command: str = "") -> str:
            """Tell what I can do."""
            prefix = ctx.config.prefix_in(ctx.room) if ctx.message.kind is Kind.GROUPCHAT else ""
            return help_text(self.listed(ctx.role), prefix, command)

        self.command("help")(tell)

    def command(
        self,
        name: str,
        *,
        help: str = "",  # noqa: A002 - read by people as a keyword
        aliases: Sequence[str] = (),
        role: Role = Role.ANYBODY,
        hidden: bool = False,
    ) -> Callable[[H], H]:
        """Call a handler when somebody writes its name; the handler's parameters are read from the words after it.

        Args:
            name: One word, without prefix; capitals do not count.
            help: One line; without it the docstring's first.
            aliases: Other names.
            role: What one must be at least.
            hidden: Leave it out of the lists.

        """

        def register(handler: H) -> H:
            command = Command.of(handler, name, help, role, hidden)
            for word in (name, *aliases):
                if (word.lower() in self.commands and word != "help") or len(word.split()) != 1:
                    raise ValueError(f"“{word}” cannot be the name of a command, or is one already")
                self.commands[word.lower()] = command
            return handler

        return register

    def on_message(self, regex: str = "") -> Callable[[H], H]:
        """Call a handler for messages that are no commands and in which a pattern is found: `ctx.match`."""

        def register(handler: H) -> H:
            self.patterns.append(Pattern(re.compile(regex, re.IGNORECASE | re.DOTALL), handler))
            return handler

        return register

    def on_join(self, handler: H) -> H:
        """Call a handler when somebody comes into a room: `ctx.nick`."""
        self.at_join.append(handler)
        return handler

    def on_reaction(self, *emojis: str) -> Callable[[H], H]:
        """Call a handler when somebody reacts, with one of these if any are named: `ctx.reaction`."""

        def register(handler: H) -> H:
            self.at_reaction.append((frozenset(emojis), handler))
            return handler

        return register

    def every(self, interval: str) -> Callable[[H], H]:
        """Call a handler each time the interval ("90s", "1h") has passed, counted over restarts."""

        def register(handler: H) -> H:
            self.timers.append(Timer(getattr(handler, "__name__", str(handler)), parse_duration(interval), handler))
            return handler

        return register

    def on_start(self, handler: H) -> H:
        """Call a handler once, when the bot is online and before anything else."""
        self.at_start.append(handler)
        return handler

    def on_stop(self, handler: H) -> H:
        """Call a handler before the bot goes."""
        self.at_stop.append(handler)
        return handler

    def listed(self, role: Role) -> list[Command]:
        """The commands that somebody may see, by name and each once."""
        named = {command.name: command for command in self.commands.values()}
        return [named[name] for name in sorted(named) if not named[name].hidden and named[name].role <= role]
