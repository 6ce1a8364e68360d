"""`python -m tests.components.files.default_install FOLDER CLIENT`: the server without any configuration, in a folder.

CLIENT is the module of a program that uses it; its argument is the port. The embedded defaults are on fixed ports; run
by `unshare --net` they are free, and nobody else's.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.peers import COMMAND, PASSWORD, ROOT, START_TIMEOUT_S, need

SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def loopback_up() -> None:
    """A new network namespace has a loopback interface, but it is down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def serve(folder: Path, client: str) -> None:
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(COMMAND), "run"], cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while '"started"' not in (folder / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for user in ("romeo", "juliet"):
            added = [str(COMMAND), "user", "add", f"{user}@localhost", "--password", PASSWORD]
            subprocess.run(added, cwd=folder, check=True)
        env = {**os.environ, "SSL_CERT_FILE": str(folder / "var" / "tls" / "self-signed.pem")}
        subprocess.run([sys.executable, "-m", client, "5222"], cwd=ROOT, env=env, check=True)
        server.send_signal(signal.SIGTERM)
        assert server.wait(START_TIMEOUT_S) == 0
    finally:
        server.kill()


def used(folder: Path, client: str) -> str:
    """Run this program in a network of its own; return what the client prints."""
    unshare = [need("unshare", "util-linux"), "--net", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --net is not permitted here")
    program = [sys.executable, "-m", __name__, str(folder), client]
    done = subprocess.run([*unshare, *program], capture_output=True, text=True, cwd=ROOT, timeout=90, check=False)
    log = (folder / "log").read_text()
    assert done.returncode == 0, done.stderr + log
    assert "Traceback" not in log
    return done.stdout


if __name__ == "__main__":
    loopback_up()
    serve(Path(sys.argv[1]), sys.argv[2])
