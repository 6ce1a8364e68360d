"""The examples of XEP-0065 (1.8.2): clients, the server and the proxy, with real connections to it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from components.xmpp_component.settings import Server
from components.xmpp_files.program import ProxyPart
from components.xmpp_files.settings import Config, ProxySettings
from tests.components.waiting import until
from tests.components.world_door import SECRET, TIMEOUT_S, WorldDoor
from tests.examples import Examples
from tests.modules.conftest import IM
from tests.plugged import plug
from tests.world import World
from xmpp_server.modules.components import ExternalComponents
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig

BETWEEN_CLIENTS = "a connection of the two clients, of which no server knows"
UDP = "UDP, which is optional (§8): the proxy announces TCP alone"
EXAMPLES = Examples(
    "xep0065",
    34,
    {
        "proxy": (*range(1, 10), *range(17, 25)),
        "direct": (11, 12, 15, 16),
        "room": (25, 26),
    },
    {
        10: "a proxy that is none: ours is not connected unless it can be reached",
        13: BETWEEN_CLIENTS,
        14: BETWEEN_CLIENTS,
        **dict.fromkeys(range(27, 35), UDP),
    },
)


class Peers:
    """What the transcripts say of connections to the proxy."""

    def __init__(self, host: str, port: int) -> None:
        self._door = host, port
        self._streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def act(self, line: str) -> None:
        """`dials SID REQUESTER TARGET`: one more connection; `they exchange bytes`: the two that there are."""
        async with asyncio.timeout(TIMEOUT_S):
            if line == "they exchange bytes":
                await self._exchange()
            else:
                verb, sid, requester, target = line.split()
                assert verb == "dials", line
                await self._dial(hashlib.sha1(f"{sid}{requester}{target}".encode()).hexdigest().encode())

    async def _dial(self, address: bytes) -> None:
        reader, writer = await asyncio.open_connection(*self._door)
        self._streams.append((reader, writer))
        writer.write(b"\x05\x01\x00")
        assert await reader.readexactly(2) == b"\x05\x00"
        rest = b"\x00\x03" + bytes([len(address)]) + address + b"\x00\x00"  # ATYP, DST.ADDR, DST.PORT
        writer.write(b"\x05\x01" + rest)  # CMD
        assert await reader.readexactly(2 + len(rest)) == b"\x05\x00" + rest  # STATUS

    async def _exchange(self) -> None:
        (one, to_one), (other, to_other) = self._streams
        to_one.write(b"What's in a name?")
        to_other.write(b"That which we call a rose")
        assert await other.readexactly(17) == b"What's in a name?"
        assert await one.readexactly(25) == b"That which we call a rose"

    def close(self) -> None:
        for _, writer in self._streams:
            writer.transport.abort()


@pytest.mark.parametrize("name", EXAMPLES.where)
async def test_the_examples(name: str, tmp_path: Path) -> None:
    world = World("example.com")
    world.chunk_bytes = 7
    door = WorldDoor(world, tmp_path / "door", plug(world, "streamer.example.com"))
    rooms = MucConfig(domain="chatrooms.example.com", name="Chatroom Service")
    for make in (*IM, ServiceDiscovery, lambda: Muc(rooms), ExternalComponents):
        world.host.add_module(make())
    proxy = ProxySettings(domain="streamer.example.com", listen=("127.0.0.1:0",), host="24.24.24.1", port=7625)
    config = Config(data_dir=str(tmp_path), server=Server(address=door.address, secret=SECRET), proxy=proxy)
    await door.open()
    part = ProxyPart(config, CollectorRegistry())
    (address,) = await part.start()
    host, _, port = address.rpartition(":")
    peers = Peers(host, int(port))
    try:
        await until(part.is_connected)
        await door.play(EXAMPLES.text(name), peers.act)
    finally:
        peers.close()
        await part.stop()
        await door.close()


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
