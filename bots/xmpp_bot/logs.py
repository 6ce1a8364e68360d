"""Structured logs on standard error, as text for people or as JSON lines. Texts of messages are never in them."""

from __future__ import annotations

import logging
import sys

import structlog

#: slixmpp logs each stanza at DEBUG, bodies and all: what is below warnings stays out.
SLIXMPP_LEVEL = logging.WARNING


def set_up_logs(form: str) -> None:
    """Set the form: "text" or "json"."""
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    errors: structlog.types.Processor = (
        structlog.processors.format_exc_info if form == "json" else structlog.stdlib.add_log_level
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            errors,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=SLIXMPP_LEVEL, format="%(levelname)s %(name)s: %(message)s")
