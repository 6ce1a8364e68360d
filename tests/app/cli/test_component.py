"""`xmpp-server component list` on a running server with a supervised component."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.peers import ServerProcess

CONFIG = """
[[components]]
domains = ["files.localhost", "proxy.localhost"]
run = ["sh", "-c", "echo $COMPONENT_SECRET_FILE; exec sleep 60"]

[[components]]
domains = ["irc.localhost"]
secret = "geheim"
"""


def test_components_and_their_processes_are_listed(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CONFIG, component=0).serving() as server:
        deadline = time.monotonic() + 10
        while not any(line["event"] == "component-log" for line in server.log):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        files, irc = json.loads(server.run("component", "list", "--json"))
        assert files["domains"] == ["files.localhost", "proxy.localhost"]
        assert (files["state"], files["process"], files["restarts"]) == ("expected", "running", 0)
        assert (irc["state"], irc["process"], irc["pid"]) == ("away", "", None)
        assert json.loads(server.run("status", "--json"))["components"] == {
            "files.localhost": "expected",
            "irc.localhost": "away",
        }
        assert "files.localhost, proxy.localhost\texpected" in server.run("component", "list")
        [line] = [line for line in server.log if line["event"] == "component-log"]
        assert str(line["line"]).endswith("component-files.localhost.secret")
        assert "geheim" not in server.log_file.read_text()
