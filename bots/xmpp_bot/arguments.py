"""Arguments of commands: read from a text by the types of a handler's parameters."""

from __future__ import annotations

import inspect
import io
import shlex
import types
import typing
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal, NewType

import msgspec

from xmpp_bot.durations import parse_duration
from xmpp_bot.errors import ArgumentError

#: The rest of the line as it was written, with its quotes and spaces.
Rest = NewType("Rest", str)

_TRUE = {"yes", "true", "on", "1"}
_FALSE = {"no", "false", "off", "0"}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a command."""

    name: str
    type: object
    required: bool
    default: object = None
    many: bool = False
    """All words that are left: `*words`."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that are allowed, empty if any is."""
        return tuple(map(str, typing.get_args(self.type))) if typing.get_origin(self.type) is Literal else ()

    @property
    def usage(self) -> str:
        """How it is shown in a line of usage."""
        name = "|".join(self.choices) or self.name
        if self.many or self.type is Rest:
            name += " …"
        return f"<{name}>" if self.required else f"[{name}]"

    def read(self, word: str) -> object:
        """Turn a word into a value.

        Raises:
            ArgumentError: It is none.

        """
        if self.choices:
            if word.lower() in self.choices:
                return word.lower()
            raise ArgumentError(f"{self.name} is one of {', '.join(self.choices)}, not “{word}”")
        try:
            return _READERS[self.type](word)
        except (ValueError, OverflowError) as error:
            reason = str(error) if self.type is timedelta else f"“{word}” is not {_NAMES.get(self.type, 'a value')}"
            raise ArgumentError(f"{self.name}: {reason}") from error


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Read the parameters of a handler; the first is the context.

    Raises:
        TypeError: One has a type that cannot be read from text; told when the bot is loaded.

    """
    hints = typing.get_type_hints(function)
    found = []
    for one in list(inspect.signature(function).parameters.values())[1:]:
        kind = _plain(hints.get(one.name, str))
        if kind not in _READERS and typing.get_origin(kind) is not Literal:
            raise TypeError(f"{function.__name__}: {one.name} cannot be {kind}")
        many = one.kind is one.VAR_POSITIONAL
        required = one.default is one.empty and not many
        default = None if one.default is one.empty else one.default
        found.append(Parameter(name=one.name, type=kind, required=required, default=default, many=many))
    return tuple(found)


def parse(parameters: Sequence[Parameter], text: str) -> list[object]:
    """Read the values of all parameters.

    Raises:
        ArgumentError: One is missing, wrong or too much.

    """
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.quotes = '"'  # an apostrophe is one in most texts of people
    values: list[object] = []
    try:
        for parameter in parameters:
            if parameter.many:
                return [*values, *(parameter.read(word) for word in lexer)]
            word = stream.read().strip() or None if parameter.type is Rest else lexer.get_token()
            if word is not None:
                values.append(parameter.read(word))
            elif parameter.required:
                raise ArgumentError(f"{parameter.name} is missing")
            else:
                values.append(parameter.default)
        if (word := lexer.get_token()) is not None:
            raise ArgumentError(f"“{word}” is too much")
    except ValueError as error:
        raise ArgumentError("a quotation mark is not closed") from error
    return values


def _plain(hint: object) -> object:
    """Take the None off an optional type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not types.NoneType]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _boolean(word: str) -> bool:
    if word.lower() in _TRUE:
        return True
    if word.lower() in _FALSE:
        return False
    raise ValueError(word)


_READERS: dict[object, Callable[[str], object]] = {
    str: str,
    Rest: str,
    int: int,
    float: float,
    bool: _boolean,
    timedelta: parse_duration,
}
_NAMES: dict[object, str] = {int: "a whole number", float: "a number", bool: "yes or no"}
