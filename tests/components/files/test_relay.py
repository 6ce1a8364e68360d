"""The relay over real TCP: activation, both directions, slow, silent and vanishing peers."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from msgspec.structs import replace

from components.xmpp_component.addresses import Doors
from components.xmpp_files.relay import Activation, Relay
from components.xmpp_files.settings import ProxySettings
from tests.components.waiting import until

HASH = "416781edf1ae50bad01cb8509ba35b43952bc345"
USER = "romeo@montague.tld"


class Proxy:
    def __init__(self, relay: Relay, address: str) -> None:
        self.relay = relay
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self.writers.append(writer)
        return reader, writer

    async def peer(self, address: str = HASH) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect()
        writer.write(b"\x05\x01\x00")
        assert await reader.readexactly(2) == b"\x05\x00"
        writer.write(b"\x05\x01\x00\x03\x28" + address.encode() + b"\x00\x00")
        answer = await reader.readexactly(47)
        assert answer[5:45] == address.encode()
        if answer[1]:
            raise ConnectionRefusedError
        return reader, writer

    async def stream(self):
        one, other = await self.peer(), await self.peer()
        assert self.relay.activate(HASH, USER) is Activation.DONE
        return one, other


@pytest.fixture
def settings() -> ProxySettings:
    return ProxySettings()


@pytest.fixture
async def proxy(settings):
    relay, doors = Relay(settings), Doors()
    (address,) = await doors.open(["127.0.0.1:0"], relay.connection)
    proxy = Proxy(relay, address)
    async with asyncio.timeout(10):
        yield proxy
    for writer in proxy.writers:
        if not writer.transport.is_closing():
            writer.transport.abort()
    await doors.close()
    relay.close()
    await until(lambda: not relay._peers)
    assert relay._waiting == relay._addresses == {}
    assert relay._streams == set()


async def test_bytes_go_both_ways_and_are_counted(proxy):
    (reader, writer), (other_reader, other_writer) = await proxy.stream()
    (stream,) = proxy.relay._streams
    data = bytes(range(256)) * 16384
    writer.write(data)
    other_writer.write(b"thanks")
    assert await other_reader.readexactly(len(data)) == data
    assert await reader.readexactly(6) == b"thanks"
    assert stream.bytes == len(data) + 6


async def test_the_end_of_one_direction_leaves_the_other_open(proxy):
    (reader, writer), (other_reader, other_writer) = await proxy.stream()
    writer.write(b"all")
    writer.write_eof()
    assert await other_reader.read() == b"all"
    other_writer.write(b"received")
    other_writer.write_eof()
    assert await reader.read() == b"received"
    await until(lambda: not proxy.relay._streams)


async def test_a_vanished_peer_ends_the_stream(proxy):
    (_, writer), (other_reader, _) = await proxy.stream()
    reset = struct.pack("ii", 1, 0)  # closing sends RST, as the system of a program that crashed does
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    writer.transport.abort()
    assert await other_reader.read() == b""
    await until(lambda: not proxy.relay._streams)


async def test_activation_needs_two(proxy):
    assert proxy.relay.activate(HASH, USER) is Activation.UNKNOWN
    await proxy.peer()
    assert proxy.relay.activate(HASH, USER) is Activation.ALONE
    await proxy.peer()
    assert proxy.relay.activate(HASH, USER) is Activation.DONE
    assert proxy.relay.activate(HASH, USER) is Activation.UNKNOWN


async def test_a_third_party_is_refused(proxy):
    await proxy.peer()
    await proxy.peer()
    with pytest.raises(ConnectionRefusedError):
        await proxy.peer()


async def test_a_peer_that_leaves_makes_room(proxy):
    _, writer = await proxy.peer()
    writer.transport.abort()
    await until(lambda: not proxy.relay._waiting)
    assert proxy.relay.activate(HASH, USER) is Activation.UNKNOWN


async def test_what_comes_before_activation_is_kept(proxy):
    (_, writer), (other_reader, _) = await proxy.peer(), await proxy.peer()
    data = b"early" * 100_000
    writer.write(data)
    await asyncio.sleep(0.05)
    assert sum(len(peer._early) for peer in proxy.relay._peers) < len(data)
    assert proxy.relay.activate(HASH, USER) is Activation.DONE
    assert await other_reader.readexactly(len(data)) == data


async def test_a_slow_reader_slows_the_sender(proxy):
    (_, writer), (other_reader, _) = await proxy.stream()
    (stream,) = proxy.relay._streams
    chunk, sent = bytes(1 << 20), 0
    for _ in range(64):
        writer.write(chunk)
        try:
            async with asyncio.timeout(0.3):
                await writer.drain()
        except TimeoutError:
            break
        sent += len(chunk)
    assert sent < 64 << 20
    assert stream.bytes < 64 << 20
    writer.write_eof()
    while await other_reader.read(1 << 20):
        pass


async def test_other_protocols_are_turned_away(proxy):
    reader, writer = await proxy.connect()
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read() == b""


class TestImpatient:
    """Short times and small numbers."""

    @pytest.fixture
    def settings(self):
        return replace(
            ProxySettings(),
            handshake_timeout_s=0.1,
            activation_timeout_s=0.2,
            idle_timeout_s=0.2,
            connections_per_address=3,
        )

    async def test_a_silent_connection_is_ended(self, proxy):
        reader, _ = await proxy.connect()
        assert await reader.read() == b""

    async def test_a_stream_that_nobody_activates_is_ended(self, proxy):
        reader, _ = await proxy.peer()
        assert await reader.read() == b""
        await until(lambda: not proxy.relay._waiting)

    async def test_a_stream_in_which_nothing_moves_is_ended(self, proxy):
        (reader, _), (_, other_writer) = await proxy.stream()
        other_writer.write_eof()  # half-open is not for ever
        assert await reader.read() == b""
        await until(lambda: not proxy.relay._streams)

    async def test_connections_of_one_address_are_bounded(self, proxy):
        await proxy.peer("a" * 40)
        await proxy.peer("b" * 40)
        await proxy.peer("c" * 40)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await proxy.peer("d" * 40)


class TestLimited:
    """A stream of limited bandwidth."""

    @pytest.fixture
    def settings(self):
        return replace(ProxySettings(), bytes_per_s=100_000)

    async def test_the_bandwidth_is_kept(self, proxy):
        (_, writer), (other_reader, _) = await proxy.stream()
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(bytes(150_000))
        await other_reader.readexactly(150_000)
        writer.write(b"x")
        await other_reader.readexactly(1)
        assert loop.time() - began > 0.4
