"""The program as the server starts it: nothing to set up, and a file goes up and comes down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.components.files.default_install import used
from tests.peers import ROOT, ServerProcess

RUN = """
[[components]]
domains = ["upload.localhost", "proxy.localhost"]
run = ["xmpp-files", "--config", "files.toml"]
"""
FREE_PORTS = '[http]\nlisten = ["127.0.0.1:0"]\n[proxy]\nlisten = ["127.0.0.1:0"]\n'


def test_the_embedded_defaults_carry_files(tmp_path: Path) -> None:
    assert "https://localhost:5443/" in used(tmp_path, "tests.components.files.round_trip")
    kept = tmp_path / "var" / "components" / "upload.localhost"
    assert len([file for file in (kept / "files").rglob("*") if file.is_file()]) == 1


def test_a_configured_server_runs_it_with_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "files.toml").write_text(FREE_PORTS)
    with ServerProcess(tmp_path, RUN, component=0).serving("romeo") as server:
        program = [sys.executable, "-m", "tests.components.files.round_trip", str(server.c2s[1])]
        env = {**os.environ, "SSL_CERT_FILE": str(server.data / "tls" / "self-signed.pem")}
        done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, env=env, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + server.log_file.read_text()
        assert done.stdout.startswith("https://localhost:")
