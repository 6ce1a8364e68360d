from __future__ import annotations

import socket

import pytest

from xmpp_server.app.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        if request.param == "path":
            name = str(tmp_path / "notify")
            sock.bind(name)
        else:
            name = f"@{tmp_path}"
            sock.bind("\0" + name[1:])
        sock.settimeout(1)
        yield sock, Notifier({"NOTIFY_SOCKET": name})


def test_states(manager):
    sock, notifier = manager
    notifier.ready()
    assert sock.recv(100) == b"READY=1"
    notifier.stopping()
    assert sock.recv(100) == b"STOPPING=1"
    notifier.status("3 sessions\nREADY=1")
    assert sock.recv(100) == b"STATUS=3 sessions READY=1"
    notifier.reloading()
    state, usec = sock.recv(100).split(b"\n")
    assert state == b"RELOADING=1"
    assert int(usec.removeprefix(b"MONOTONIC_USEC=")) > 0


def test_without_a_manager_nothing_happens():
    Notifier({}).ready()


def test_a_dead_manager_is_no_error(tmp_path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()
