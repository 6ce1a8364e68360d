from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from xmpp_server.app.logging import MAX_CHARS, configure, harmless


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines(stream):
    configure("info", "auto", stream)
    structlog.get_logger().info("bound", session="a@b/c", count=3)
    structlog.get_logger().debug("unseen")
    event = json.loads(stream.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "bound", "level": "info", "session": "a@b/c", "count": 3}


def test_console_lines(stream):
    configure("debug", "console", stream)
    structlog.get_logger().debug("bound", peer="x\x1b[2J\ny")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert r"peer=x\x1b[2J\x0ay" in line


def test_an_exception_keeps_its_lines_and_nothing_else(stream):
    configure("info", "console", stream)
    try:
        raise ValueError("a\x1b[2Jb")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "\x1b" not in stream.getvalue()
    assert "Traceback (most recent call last):\n" in stream.getvalue()


def test_libraries_log_through_the_same_door(stream):
    configure("debug", "json", stream)
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("aiohttp").exception("bad %s", "day\n")
    logging.getLogger("aiohttp").info("unseen")
    event = json.loads(stream.getvalue())
    assert event["event"] == "library"
    assert event["level"] == "error"
    assert event["logger"] == "aiohttp"
    assert event["text"] == r"bad day\x0a"
    assert "ValueError: x" in event["exception"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\u202eb\u2028", r"a\u202eb\u2028"),
        ("\x9b\x7f\ud800", r"\x9b\x7f\ud800"),
        ("héllo ✓", "héllo ✓"),
        ("x" * 2000, "x" * MAX_CHARS + "…"),
        (["a\n"], [r"a\x0a"]),
        ({"k": "a\n", "password": "p"}, {"k": r"a\x0a", "password": "[not logged]"}),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (ValueError("a\nb"), r"a\x0ab"),
    ],
)
def test_values_are_made_harmless(value, written):
    assert harmless(None, "info", {"v": value}) == {"v": written}


def test_secrets_are_never_written():
    event = {"event": "x", "password": "p", "token": "t", "stanza": "<message/>"}
    assert set(harmless(None, "info", event).values()) == {"x", "[not logged]"}
