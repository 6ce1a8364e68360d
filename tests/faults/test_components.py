"""Components that hang, die and flood; and a server that is killed with components under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers import ServerProcess
from tests.raw import CLIENT, logged_in

#: A component of sockets and text: connects, then sleeps; what it is sent stays in its buffers.
PROGRAM = """
import hashlib, os, re, socket, time
host, _, port = os.environ["COMPONENT_SERVER"].rpartition(":")
secret = open(os.environ["COMPONENT_SECRET_FILE"]).read().strip()
peer = socket.create_connection((host, int(port)))
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
peer.sendall(b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
             b" to='files.localhost'>")
ident = re.search(rb"id='([^']+)'", peer.recv(4096))[1].decode()
peer.sendall(f"<handshake>{hashlib.sha1((ident + secret).encode()).hexdigest()}</handshake>".encode())
assert peer.recv(4096).startswith(b"<handshake/>")
print("connected", os.getpid(), flush=True)
time.sleep(600)
"""
CONFIG = """
[[components]]
domains = ["files.localhost"]
run = ["{python}", "{program}"]
[components.limits]
outbox_bytes = 1048576
answer_s = 1.0
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    program = tmp_path / "component.py"
    program.write_text(PROGRAM)
    process = ServerProcess(tmp_path / "server", CONFIG.format(python=sys.executable, program=program), component=0)
    process.start()
    try:
        process.add_users("romeo")
        yield process
        assert process.failures() == []
    finally:
        process.kill()


def connections(server: ServerProcess) -> list[int]:
    """The process ids of the components that have said that they are connected."""
    lines = [str(line.get("line", "")) for line in server.log if line["event"] == "component-log"]
    return [int(line.split()[1]) for line in lines if line.startswith("connected")]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


async def test_a_component_that_hangs_is_bounded_and_alone(server: ServerProcess) -> None:
    wait_for(lambda: len(connections(server)) == 1)
    async with logged_in(server.c2s_tls, "romeo") as romeo:
        romeo.send("<iq to='files.localhost' type='get' id='1'><x xmlns='urn:x'/></iq>")
        answer = await romeo.until(lambda one: one.get("id") == "1")
        assert answer.find(f"{CLIENT}error/{{urn:ietf:params:xml:ns:xmpp-stanzas}}remote-server-timeout") is not None
        before = server.rss_bytes
        body = "x" * 100_000
        for _ in range(200):
            romeo.send(f"<message to='files.localhost'><body>{body}</body></message>")
        refused = await romeo.until(lambda one: one.get("type") == "error")
        assert refused.find(f"{CLIENT}error/{{urn:ietf:params:xml:ns:xmpp-stanzas}}resource-constraint") is not None
        assert await romeo.ping() < 5
        assert server.rss_bytes - before < 40_000_000
    assert server.stop() == 0


def test_a_component_that_dies_is_started_again(server: ServerProcess) -> None:
    wait_for(lambda: len(connections(server)) == 1)
    os.kill(connections(server)[0], signal.SIGKILL)
    wait_for(lambda: len(connections(server)) == 2)
    assert server.stop() == 0
    wait_for(lambda: all(is_gone(pid) for pid in connections(server)))


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is told on Linux only")
def test_a_server_that_is_killed_leaves_no_component_behind(server: ServerProcess) -> None:
    wait_for(lambda: len(connections(server)) == 1)
    server.kill()
    wait_for(lambda: is_gone(connections(server)[0]))
    server.start()
    wait_for(lambda: len(connections(server)) == 2)
    assert server.stop() == 0


def test_a_secret_stands_in_no_log(server: ServerProcess) -> None:
    wait_for(lambda: len(connections(server)) == 1)
    secret = (server.data / "component-files.localhost.secret").read_text().strip()
    assert secret not in server.log_file.read_text()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert secret not in listed
    assert server.stop() == 0
