"""Logging: one line for an event on standard error; JSON, or text on a terminal."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor

Level = Literal["debug", "info", "warning", "error"]

# Control characters, and what reorders text on a terminal: names of files come from anybody.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MULTILINE = frozenset({"exception", "stack"})


def configure(level: Level) -> None:
    """Set up logging for the process, that of libraries included (from warnings up: slixmpp's debug has stanzas)."""
    number: int = getattr(logging, level.upper())
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=True, default=str)
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(sort_keys=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            escaped,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromLibraries()]
    root.setLevel(max(number, logging.WARNING))


def escaped(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape what could forge a line or move a cursor."""
    return {
        name: _CONTROL.sub(_escape, value) if isinstance(value, str) and name not in _MULTILINE else value
        for name, value in event.items()
    }


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class _FromLibraries(logging.Handler):
    """Hands the lines of libraries that use the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        methods: Mapping[int, Callable[..., object]] = {logging.ERROR: log.error, logging.CRITICAL: log.error}
        values: dict[str, object] = {"logger": record.name, "text": record.getMessage()[:1000]}
        if record.exc_info:
            values["exc_info"] = record.exc_info
        methods.get(record.levelno, log.warning)("library", **values)
