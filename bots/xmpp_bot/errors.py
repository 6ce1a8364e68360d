"""What can go wrong, by who is told."""

from __future__ import annotations


class BotError(Exception):
    """Base of the kit's exceptions."""


class ConfigError(BotError):
    """The configuration is wrong; told to who starts the bot."""


class LoginError(BotError):
    """The server does not accept the bot's password; trying again would not help."""


class Refusal(BotError):  # noqa: N818 - an answer, not a mistake
    """A handler cannot do what it is asked to; the text is told to the user."""


class ArgumentError(Refusal):
    """A command's arguments cannot be read; the text says which and why."""
