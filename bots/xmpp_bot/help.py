"""The help: made of names, parameters and docstrings."""

from __future__ import annotations

from collections.abc import Sequence

from xmpp_bot.commands import Command
from xmpp_bot.errors import Refusal


def help_text(commands: Sequence[Command], prefix: str, name: str) -> str:
    """Tell of all commands that somebody may use, or of one.

    Raises:
        Refusal: There is none of this name.

    """
    if not name:
        return "\n".join(_line(command, prefix) for command in commands)
    for command in commands:
        if command.name.lower() == name.lower().removeprefix(prefix):
            return "\n\n".join(filter(None, (_line(command, prefix), command.details)))
    raise Refusal(f"I know no command “{name}”.")


def _line(command: Command, prefix: str) -> str:
    usage = prefix + command.usage
    return f"{usage}: {command.help}" if command.help else usage
