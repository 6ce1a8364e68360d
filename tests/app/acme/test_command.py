"""`xmpp-server tls renew`, on a running server and on a stopped one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pebble
from tests.federated_peers import DnsServer
from tests.peers import COMMAND, ServerProcess

NAME = "xmpp.test"


@pytest.fixture
def names() -> Iterator[DnsServer]:
    server = DnsServer()
    server.records[NAME, "A"] = ["127.0.0.1"]
    yield server
    server.close()


@pytest.fixture
def server(tmp_path: Path, names: DnsServer) -> Iterator[ServerProcess]:
    with pebble.running(tmp_path, names.port) as ca:
        acme = {"directory": ca.directory, "ca": str(ca.ca), "http": [f"127.0.0.1:{ca.challenge_port}"]}
        acme |= {"enabled": True, "terms_agreed": True, "domains": [NAME]}
        table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in acme.items())
        process = ServerProcess(tmp_path, config=f"[tls.acme]\n{table}\n")
        yield process
        process.kill()


def renew(server: ServerProcess, *more: str) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run(
        [COMMAND, "--config", server.config_file, "tls", "renew", "--json", *more],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_before_and_while_the_server_runs(server, names):
    code, rows = renew(server)
    assert (code, [row["state"] for row in rows]) == (0, ["issued"])
    code, rows = renew(server)
    assert (code, [row["state"] for row in rows]) == (0, ["not due"])
    server.start()
    (issued,) = [row for row in json.loads(server.run("tls", "list", "--json")) if row["names"] == [NAME]]
    assert "Pebble" in issued["issuer"]
    code, rows = renew(server, "--force")
    assert (code, [row["state"] for row in rows]) == (0, ["issued"])
    assert "certificates-reloaded" in [line["event"] for line in server.log]
    del names.records[NAME, "A"]
    code, rows = renew(server, "--force")
    assert (code, [row["state"] for row in rows]) == (1, ["failed"])
    assert NAME in str(rows[0]["error"])
    checked = subprocess.run(
        [COMMAND, "--config", server.config_file, "check", "tls"], capture_output=True, text=True, check=False
    )
    assert f"{NAME}: https://localhost" in checked.stdout
    assert "has not issued, 1 times in a row" in checked.stdout
    assert server.failures() == []
