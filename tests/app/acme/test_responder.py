"""What the CA and everybody else get at the port for challenges."""

from __future__ import annotations

import contextlib
import socket
import urllib.error
import urllib.request

import pytest

from tests.ports import free_ports
from xmpp_server.app.acme import responder
from xmpp_server.app.acme.responder import answering


@pytest.fixture
def port():
    [found] = free_ports(1)
    with answering([f"127.0.0.1:{found}"], {"token": "token.thumbprint"}):
        yield found


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        data: bytes = answer.read()
        assert "Python" not in answer.headers["Server"]
        return data


def test_the_token_and_nothing_else(port):
    assert get(port, "/.well-known/acme-challenge/token") == b"token.thumbprint"
    for path in ("/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/../token", "/token"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(port, path)


def test_clients_that_stall_keep_nobody_out_for_long(port, monkeypatch):
    monkeypatch.setattr(responder._Handler, "timeout", 0.2)
    with contextlib.ExitStack() as stalled:
        for _ in range(responder.AT_ONCE + 10):
            stalled.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        assert get(port, "/.well-known/acme-challenge/token") == b"token.thumbprint"


def test_the_port_is_free_again_afterwards():
    [port] = free_ports(1)
    for _ in range(2):
        with answering([f"127.0.0.1:{port}"], {}):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
