"""TLS without a socket: the channel against a client in memory, record by record."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from tests.net.conftest import Serve
from xmpp_server.net.certificates import KeyPair
from xmpp_server.net.tls import TlsServer
from xmpp_server.net.tls_channel import TlsChannel, TlsError


@pytest.fixture
def server(pair: KeyPair) -> TlsServer:
    return TlsServer(lambda: [pair])


async def test_what_one_turn_writes_shares_a_record(server: TlsServer, trusting: ssl.SSLContext) -> None:
    channel, client = handshaken(server, trusting)
    before = len(channel.send(b"x" * 100))
    assert len(channel.send(b"x" * 200)) == before + 100
    assert client is not None


async def test_a_handshake_in_single_bytes(server: TlsServer, trusting: ssl.SSLContext) -> None:
    channel, client = handshaken(server, trusting, step=1)
    client.write(b"hello")
    assert b"".join(channel.receive(bytes((byte,))) for byte in client.sent()) == b"hello"


async def test_data_right_behind_the_handshake_is_not_lost(
    serve: Serve, server: TlsServer, trusting: ssl.SSLContext
) -> None:
    """A client of TLS 1.3 may send its Finished and its first data in one packet."""
    client = MemoryClient(trusting)
    channel = server.channel()
    client.handshake()
    channel.receive(client.sent())
    client.give(channel.outgoing())
    client.handshake()
    client.write(b"first")
    assert channel.receive(client.sent()) == b"first"
    assert channel.session is not None


async def test_a_forged_record_ends_the_connection(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    recorder, port = await serve(tls=server)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        client = MemoryClient(trusting)
        while not client.handshake():
            await asyncio.to_thread(raw.sendall, client.sent())
            client.give(await asyncio.to_thread(raw.recv, 65536))
        raw.sendall(client.sent() + b"\x17\x03\x03\x00\x20" + bytes(32))
        raw.shutdown(socket.SHUT_WR)
        await recorder.until_event("lost")
    assert isinstance(recorder.error, TlsError)
    assert "bad record mac" in str(recorder.error)


async def test_sessions_resume_by_ticket(serve: Serve, server: TlsServer, trusting: ssl.SSLContext) -> None:
    channel, client = handshaken(server, trusting)
    client.give(channel.outgoing())
    assert client.read() == b""
    again = MemoryClient(trusting, session=client.tls.session)
    complete(server.channel(), again)
    assert again.tls.session_reused


class MemoryClient:
    """A client of the standard library without a socket."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="example.org", session=session)

    def handshake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def give(self, data: bytes) -> None:
        self._in.write(data)

    def sent(self) -> bytes:
        return self._out.read()

    def write(self, data: bytes) -> None:
        self.tls.write(data)

    def read(self) -> bytes:
        try:
            return self.tls.read(65536)
        except ssl.SSLWantReadError:
            return b""


def complete(channel: TlsChannel, client: MemoryClient, step: int = 65536) -> None:
    while not client.handshake() or channel.session is None:
        sent = client.sent()
        for at in range(0, len(sent), step):
            assert channel.receive(sent[at : at + step]) == b""
        client.give(channel.outgoing())
    sent = client.sent()
    if sent:
        channel.receive(sent)


def handshaken(server: TlsServer, context: ssl.SSLContext, step: int = 65536) -> tuple[TlsChannel, MemoryClient]:
    client = MemoryClient(context)
    channel = server.channel()
    complete(channel, client, step)
    client.give(channel.outgoing())
    return channel, client
