"""Connections in clear: outbox, flow control, ends."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tests.net.conftest import Recorder, Serve
from xmpp_server.net.connection import Connection
from xmpp_server.net.loop_io import LoopIO


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def test_bytes_go_both_ways_in_order(serve: Serve) -> None:
    recorder, port = await serve()
    reader, writer = await connect(port)
    writer.write(b"<a/>")
    await recorder.until(lambda: recorder.data == b"<a/>")
    for number in range(100):
        recorder.link.write(b"%d;" % number)
    assert await reader.readuntil(b";99;") == b"".join(b"%d;" % number for number in range(100))
    assert recorder.link.peer == ("127.0.0.1", writer.get_extra_info("sockname")[1])
    assert recorder.events[:2] == ["connected", "received"]
    writer.close()


class CountingTransport(asyncio.Transport):
    """Records writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return 0


async def test_all_writes_of_a_turn_are_one() -> None:
    transport = CountingTransport()
    connection = Connection(LoopIO(asyncio.get_running_loop()), Recorder())
    connection.connection_made(transport)
    connection.write(b"a")
    connection.write(b"b")
    assert transport.writes == []
    assert connection.buffered == 2
    await asyncio.sleep(0)
    connection.write(b"c")
    await asyncio.sleep(0)
    assert transport.writes == [b"ab", b"c"]
    assert connection.buffered == 0


async def test_a_closing_connection_sends_what_was_queued(serve: Serve) -> None:
    recorder, port = await serve()
    reader, writer = await connect(port)
    await recorder.until_event("connected")
    recorder.link.write(b"x" * 3_000_000)
    recorder.link.write(b"bye")
    recorder.link.close()
    recorder.link.write(b"not this")
    assert (await reader.read(-1))[-4:] == b"xbye"
    writer.close()
    await recorder.until_event("lost")
    assert recorder.error is None


async def test_the_last_bytes_survive_a_peer_that_keeps_sending(serve: Serve) -> None:
    """Closing a socket with unread bytes would reset it, and the peer would miss the stream error."""
    recorder, port = await serve()
    recorder.on_received = lambda data: (recorder.link.write(b"<error/>"), recorder.link.close())[0]  # type: ignore[func-returns-value]
    reader, writer = await connect(port)
    writer.write(b"x" * 2_000_000)
    assert await reader.read(-1) == b"<error/>"
    await writer.drain()
    writer.close()
    await recorder.until_event("lost")
    assert recorder.error is None
    assert len(recorder.data) <= 65536, "nothing is handed over after close"


async def test_close_gives_up_after_its_timeout(serve: Serve) -> None:
    recorder, port = await serve()
    reader, writer = await connect(port)
    await recorder.until_event("connected")
    recorder.link.close(timeout_s=0.05)
    await recorder.until_event("lost")
    assert await reader.read(-1) == b""
    writer.close()


async def test_the_peer_may_end_first_and_still_read(serve: Serve) -> None:
    recorder, port = await serve()
    recorder.on_eof = lambda: (recorder.link.write(b"last"), recorder.link.close())[0]  # type: ignore[func-returns-value]
    reader, writer = await connect(port)
    writer.write(b"first")
    writer.write_eof()
    assert await reader.read(-1) == b"last"
    await recorder.until_event("lost")
    assert recorder.events == ["connected", "received", "eof", "lost"]
    writer.close()


async def test_a_reset_is_told_as_an_error(serve: Serve) -> None:
    recorder, port = await serve()
    _, writer = await connect(port)
    await recorder.until_event("connected")
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await recorder.until_event("lost")
    assert isinstance(recorder.error, ConnectionError)
    recorder.link.write(b"ignored")
    recorder.link.close()
    recorder.link.abort()
    assert recorder.link.buffered == 0


async def test_abort_ends_at_once(serve: Serve) -> None:
    recorder, port = await serve()
    reader, writer = await connect(port)
    await recorder.until_event("connected")
    recorder.link.write(b"lost")
    recorder.link.abort()
    await recorder.until_event("lost")
    assert await reader.read(-1) == b""
    writer.close()


async def test_a_paused_connection_takes_nothing(serve: Serve) -> None:
    recorder, port = await serve()
    _, writer = await connect(port)
    await recorder.until_event("connected")
    recorder.link.pause()
    writer.write(b"later")
    for _ in range(20):
        await asyncio.sleep(0)
    assert recorder.data == b""
    recorder.link.resume()
    await recorder.until(lambda: recorder.data == b"later")
    writer.close()


@pytest.mark.parametrize("limit_bytes", [20_000, 500_000])
async def test_a_peer_that_does_not_read_overflows_once(serve: Serve, limit_bytes: int) -> None:
    recorder, port = await serve(limit_bytes=limit_bytes)
    _, writer = await connect(port)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await recorder.until_event("connected")
    while "overflow" not in recorder.events:
        recorder.link.write(b"x" * 5_000)
        await asyncio.sleep(0)
    assert recorder.link.buffered > limit_bytes
    recorder.link.write(b"x")
    await asyncio.sleep(0)
    assert recorder.events.count("overflow") == 1
    recorder.link.abort()
    await recorder.until_event("lost")
    writer.transport.abort()


async def test_a_slow_reader_that_catches_up_gets_everything(serve: Serve) -> None:
    recorder, port = await serve(limit_bytes=1 << 30)
    reader, writer = await connect(port)
    await recorder.until_event("connected")
    for _ in range(400):
        recorder.link.write(b"x" * 20_000)
        await asyncio.sleep(0)
    assert recorder.link.buffered > 0
    assert len(await reader.readexactly(8_000_000)) == 8_000_000
    await asyncio.sleep(0)
    assert recorder.link.buffered == 0
    writer.close()


async def test_the_end_is_counted_even_if_the_handler_fails(serve: Serve) -> None:
    ended: list[bool] = []
    connection = Connection(LoopIO(asyncio.get_running_loop()), Recorder())
    connection.on_end = lambda: ended.append(True)
    connection.connection_made(CountingTransport())
    connection.connection_lost(None)
    connection.connection_lost(None)
    assert ended == [True]
    assert connection.tls is None
