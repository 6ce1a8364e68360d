"""How a component runs as a program: signals, exit codes, what goes to standard error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
import structlog
from components.xmpp_component import run

class Program:
    async def start(self):
        if "fail" in sys.argv:
            raise LookupError("it is not there")
        if "crash" in sys.argv:
            raise ZeroDivisionError
        logging.getLogger("library").warning("careful: %s", "\\x1b[2J")
        logging.getLogger("library").info("not shown")
        structlog.get_logger().info("name", name="a\\nb\\u202e")
        return {"door": ["127.0.0.1:1"]}

    def reload(self):
        structlog.get_logger().info("reloaded")

    async def stop(self):
        structlog.get_logger().info("ended")

run.run("thing", Program, "info", LookupError)
"""
SETTINGS = """
import sys
from components.xmpp_component import run
from components.xmpp_component.config import read
print(run.settings("thing", None, read))
"""


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told(number: signal.Signals) -> None:
    with started() as process:
        assert process.stderr is not None
        lines = [json.loads(process.stderr.readline()) for _ in range(3)]
        process.send_signal(signal.SIGHUP)
        lines.append(json.loads(process.stderr.readline()))
        process.send_signal(number)
        lines += [json.loads(line) for line in process.stderr]
        assert process.wait() == 0
    assert [line["event"] for line in lines] == ["library", "name", "started", "reloaded", "stopping", "ended"]
    assert (lines[0]["level"], lines[0]["text"]) == ("warning", "careful: \\u001b[2J")
    assert lines[1]["name"] == "a\\u000ab\\u202e"
    assert lines[2]["door"] == ["127.0.0.1:1"]


@pytest.mark.parametrize(
    ("argument", "end"), [("fail", "xmpp-thing: it is not there\n"), ("crash", "ZeroDivisionError\n")]
)
def test_a_failed_start_is_told_after_everything_was_closed(argument: str, end: str) -> None:
    with started(argument) as process:
        assert process.stderr is not None
        text = process.stderr.read()
        assert process.wait() == 1
    assert '"ended"' in text
    assert "stopping" not in text
    assert text.endswith(end)


def test_the_server_that_has_started_it_is_told_by_an_error_in_the_log() -> None:
    with started("fail", COMPONENT_SERVER="localhost:1") as process:
        assert process.stderr is not None
        last = json.loads(process.stderr.read().splitlines()[-1])
        assert process.wait() == 1
    assert (last["level"], last["event"], last["reason"]) == ("error", "failed", "it is not there")


def test_wrong_settings_have_an_exit_code_of_their_own(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", SETTINGS]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "xmpp-thing: thing.toml: cannot be read: No such file or directory\n")
    (tmp_path / "thing.toml").write_text("a = 1")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{'a': 1}\n")
    supervised = {**environment, "COMPONENT_SERVER": "localhost:1"}
    done = subprocess.run(command, cwd="/", env=supervised, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{}\n")
