"""Handlers as values: commands, patterns, timers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from xmpp_bot.arguments import Parameter, parameters_of
from xmpp_bot.roles import Role

#: A coroutine function whose first argument is the context; text that it returns is the answer.
Handler = Callable[..., Awaitable[str | None]]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that is called by its name."""

    name: str
    help: str
    """One line."""
    details: str
    parameters: tuple[Parameter, ...]
    handler: Handler
    role: Role = Role.ANYBODY
    hidden: bool = False

    @property
    def usage(self) -> str:
        """The line to type, without prefix."""
        return " ".join((self.name, *(parameter.usage for parameter in self.parameters)))

    @classmethod
    def of(cls, handler: Handler, name: str, help_line: str, role: Role, hidden: bool) -> Command:
        """Make a command of a handler; its docstring is the help, the first line of it if no other is given."""
        doc = inspect.getdoc(handler) or ""
        first, _, rest = doc.partition("\n")
        return cls(
            name=name,
            help=help_line or first,
            details=(doc if help_line else rest).strip(),
            parameters=parameters_of(handler),
            handler=handler,
            role=role,
            hidden=hidden,
        )


class Pattern(msgspec.Struct, frozen=True):
    """A handler for messages whose text matches."""

    regex: re.Pattern[str]
    handler: Handler


class Timer(msgspec.Struct, frozen=True):
    """A handler that is called again and again."""

    name: str
    interval: timedelta
    handler: Handler
