"""Logging: one line for an event, with a stable name and values; JSON, or coloured text on a terminal.

No secret and no stanza is logged: values under such names are replaced. Control characters in values are escaped, so
that what a peer sends can forge no line and move no cursor.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

#: Names of values that are never written.
SECRET = frozenset(
    {
        "authzid",
        "body",
        "credentials",
        "key",
        "password",
        "proof",
        "raw",
        "secret",
        "stanza",
        "token",
        "xml",
    }
)
MAX_CHARS = 1000

# C0, DEL, C1, line separators, and what reorders text on a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_IN_TRACEBACK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_TRACEBACK_KEYS = frozenset({"exception", "stack"})


def configure(level: Level = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for the process, that of libraries included (from warnings up).

    Args:
        level: The least severe level that is written.
        form: "auto" is "console" where `stream` is a terminal, else "json".
        stream: Where lines go; standard error if None.

    """
    stream = stream or sys.stderr
    structlog.configure(
        processors=processors(form, terminal=stream.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromLibraries()]
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))


def processors(form: Format, *, terminal: bool) -> list[Processor]:
    """Return the steps from an event to a line."""
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        harmless,
    ]
    if form == "json" or (form == "auto" and not terminal):
        return [*steps, structlog.processors.JSONRenderer(default=str)]
    return [*steps, structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False)]


def harmless(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take secrets out, escape control characters, shorten what is long."""
    return {
        name: "[not logged]" if name in SECRET else _clean(value, traceback=name in _TRACEBACK_KEYS)
        for name, value in event.items()
    }


def _clean(value: object, *, traceback: bool = False) -> object:
    if isinstance(value, str):
        if traceback:
            return _CONTROL_IN_TRACEBACK.sub(_escape, value)
        text = value if len(value) <= MAX_CHARS else value[:MAX_CHARS] + "…"
        return _CONTROL.sub(_escape, text)
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(name): "[not logged]" if name in SECRET else _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return _clean(str(value))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class _FromLibraries(logging.Handler):
    """Hands the lines of libraries that use the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        methods: Mapping[int, Callable[..., object]] = {logging.ERROR: log.error, logging.CRITICAL: log.error}
        values: MutableMapping[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info:
            values["exc_info"] = record.exc_info
        methods.get(record.levelno, log.warning)("library", **values)
