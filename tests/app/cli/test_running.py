"""Commands while a server runs go through its control socket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Server:
    """`xmpp-server run` in a process of its own."""

    def __init__(self, config_file: Path) -> None:
        self.log = config_file.with_name("log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from xmpp_server.app.cli import main; main()", "--config", config_file, "run"],
                stderr=log,
                stdout=log,
            )

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_for(self, event: str) -> dict[str, object]:
        """Wait until the server logs an event."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [line for line in self.lines() if line["event"] == event]
            if found:
                return found[-1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {event} in:\n{self.log.read_text()}")


@pytest.fixture
def server(config_file: Path, run) -> Iterator[Server]:
    server = Server(config_file)
    try:
        server.wait_for("started")
        for _ in range(100):  # the control socket opens a moment after the doors
            if run("status").exit_code == 0:
                break
            time.sleep(0.02)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def test_a_running_server_is_administered_and_stopped(server, run, tmp_path, config_file):
    status = json.loads(run("status", "--json").output)
    assert status["pid"] == server.process.pid
    assert status["domains"] == ["localhost", "example.org"]
    assert status["sessions"] == 0

    assert run("user", "add", "me@localhost", "--password", "secret").exit_code == 0
    assert server.wait_for("account-created")["account"] == "me@localhost"
    assert json.loads(run("user", "list", "--json").output)[0]["jid"] == "me@localhost"
    assert run("user", "add", "me@localhost", "--password", "secret").exit_code == 1
    assert run("user", "disable", "me@localhost").exit_code == 0
    assert run("session", "list", "--json").output == "[]\n"
    kick = run("session", "kick", "me@localhost")
    assert (kick.exit_code, kick.output) == (1, "xmpp-server: me@localhost has no session\n")
    assert run("room", "create", "cave@conference.localhost", "--owner", "me@localhost").exit_code == 0
    assert json.loads(run("room", "show", "cave@conference.localhost", "--json").output)["owners"] == ["me@localhost"]
    assert run("room", "delete", "cave@conference.localhost", "--reason", "Flooded").exit_code == 0
    assert run("db", "upgrade").exit_code == 0
    assert run("export", str(tmp_path / "all.xml")).exit_code == 0
    assert run("user", "delete", "me@localhost").exit_code == 0
    assert run("import", str(tmp_path / "all.xml")).exit_code == 0

    second = run("run")
    assert second.exit_code == 1
    assert f"is in use by process {server.process.pid}" in second.output

    config_file.write_text(config_file.read_text() + "[limits]\nroster_items = 5\n[log]\nlevel = 'warning'\n")
    os.kill(server.process.pid, signal.SIGHUP)
    assert server.wait_for("restart-needed")["changed"] == ["limits"]
    config_file.write_text("nonsense = 1")
    os.kill(server.process.pid, signal.SIGHUP)
    assert "nonsense: unknown key" in str(server.wait_for("reload-failed")["reason"])

    server.process.terminate()
    assert server.process.wait(timeout=20) == 0
    assert "Add an account" in server.log.read_text()
    assert "secret" not in server.log.read_text()


def start(config: Path) -> subprocess.CompletedProcess[str]:
    """Run the server where it cannot start."""
    return subprocess.run(
        [sys.executable, "-c", "from xmpp_server.app.cli import main; main()", "--config", config, "run"],
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize("kind", ["c2s", "s2s", "http"])
def test_a_port_that_is_taken_is_all_that_is_told(config_file, kind):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = f"127.0.0.1:{taken.getsockname()[1]}"
        text = re.sub(rf"(?m)^{kind} = .*$", f'{kind} = ["{door}"]', config_file.read_text())
        config_file.write_text(text)
        result = start(config_file)
    assert result.returncode == 1
    [told] = (result.stdout + result.stderr).splitlines()
    assert told.startswith(f"xmpp-server: cannot listen on {door}: Address already in use (another program has it;")


def test_a_broken_database_is_all_that_is_told(config_file):
    database = config_file.with_name("var") / "xmpp.db"
    database.parent.mkdir()
    database.write_bytes(b"no database " * 1000)
    result = start(config_file)
    assert result.returncode == 1
    [told] = (result.stdout + result.stderr).splitlines()
    assert told.startswith(f"xmpp-server: {database}: SQLite: file is not a database (see storage.url:")


def test_what_is_in_the_way_of_the_control_socket_is_told_last(config_file):
    folder = config_file.with_name("var") / "control.sock"
    folder.mkdir(parents=True)
    result = start(config_file)
    assert result.returncode == 1
    log, told = result.stderr.splitlines()
    assert json.loads(log)["event"] == "started"
    assert told == f"xmpp-server: {folder}: no socket, but something else; move it away"
