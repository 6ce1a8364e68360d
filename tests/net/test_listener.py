"""Addresses, the listener and its caps."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.net.conftest import Recorder, settle
from xmpp_server.net import addresses, listener
from xmpp_server.net.addresses import AddressError, parse_address
from xmpp_server.net.connection import Connection
from xmpp_server.net.listener import Listener
from xmpp_server.net.loop_io import LoopIO


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5222", ("127.0.0.1", 5222)),
        ("example.org:0", ("example.org", 0)),
        ("[::1]:5222", ("::1", 5222)),
        (":5222", ("", 5222)),
        ("*:5222", ("", 5222)),
        ("unix:/run/xmpp.sock", Path("/run/xmpp.sock")),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["5222", "host", "host:", "host:x", "host:65536", "::1:5222", "unix:", "host:²"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


class Door:
    """A listener whose connections are recorded."""

    def __init__(self, per_address: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.io = LoopIO(loop)
        self.recorders: list[Recorder] = []
        self.listener = Listener(loop, self._make, per_address=per_address)

    def _make(self) -> Connection:
        recorder = Recorder()
        self.recorders.append(recorder)
        return Connection(self.io, recorder)

    async def stop(self) -> None:
        await self.listener.close()
        for recorder in self.recorders:
            await recorder.until_event("connected")
            recorder.link.abort()
            await recorder.until_event("lost")


MakeDoor = Callable[..., Door]


@pytest.fixture
async def make_door() -> AsyncIterator[MakeDoor]:
    doors: list[Door] = []

    def make(per_address: int = 0) -> Door:
        doors.append(Door(per_address))
        return doors[-1]

    yield make
    for door in doors:
        await door.stop()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def test_it_listens_on_several_addresses_and_tells_the_ports(make_door: MakeDoor, tmp_path: Path) -> None:
    door = make_door()
    path = tmp_path / "door.sock"
    bound = await door.listener.open(["127.0.0.1:0", "[::1]:0", f"unix:{path}"])
    assert bound[0].startswith("127.0.0.1:")
    assert bound[1].startswith("[::1]:")
    assert bound[2] == f"unix:{path}"
    clients = [
        await asyncio.open_connection("127.0.0.1", port_of(bound[0])),
        await asyncio.open_connection("::1", port_of(bound[1])),
        await asyncio.open_unix_connection(path),
    ]
    for _, writer in clients:
        writer.write(b"hello")
    await settle(lambda: len(door.recorders) == 3)
    for recorder in door.recorders:
        await recorder.until_event("received")
    assert {recorder.link.peer[0] for recorder in door.recorders} == {"127.0.0.1", "::1", "unix"}
    for _, writer in clients:
        writer.close()
    await door.listener.close()
    assert not path.exists()


async def test_a_taken_address_opens_no_door(make_door: MakeDoor) -> None:
    first = make_door()
    (taken,) = await first.listener.open(["127.0.0.1:0"])
    second = make_door()
    with pytest.raises(OSError, match=taken) as caught:
        await second.listener.open(["127.0.0.1:0", taken])
    assert caught.value.errno == errno.EADDRINUSE
    assert second.listener._sockets == []


async def test_a_unix_socket_of_a_dead_server_is_replaced_of_a_living_one_not(
    make_door: MakeDoor, tmp_path: Path
) -> None:
    path = tmp_path / "door.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    await make_door().listener.open([f"unix:{path}"])
    with pytest.raises(OSError, match="cannot listen"):
        await make_door().listener.open([f"unix:{path}"])
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(OSError, match="cannot listen"):
        await make_door().listener.open([f"unix:{other}"])
    assert other.read_text() == "precious"


async def test_closing_the_door_leaves_connections_alone(make_door: MakeDoor) -> None:
    door = make_door()
    (address,) = await door.listener.open(["127.0.0.1:0"])
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
    writer.write(b"x")
    await settle(lambda: bool(door.recorders))
    await door.listener.close()
    writer.write(b"y")
    await door.recorders[0].until(lambda: door.recorders[0].data == b"xy")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port_of(address))
    writer.close()


async def test_an_address_has_a_cap_which_ends_give_back(make_door: MakeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listener, "_key", lambda self, name: name[0])
    door = make_door(per_address=2)
    (address,) = await door.listener.open(["127.0.0.1:0"])
    clients = [await asyncio.open_connection("127.0.0.1", port_of(address)) for _ in range(3)]
    assert await clients[2][0].read() == b"", "one too many"
    assert len(door.recorders) == 2
    clients[0][1].close()
    await door.recorders[0].until_event("lost")
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
    writer.write(b"x")
    await settle(lambda: len(door.recorders) == 3)
    await door.recorders[2].until_event("received")
    for _, one in (*clients, (reader, writer)):
        one.close()


def test_loopback_and_unix_are_exempt_and_ipv6_counts_by_network() -> None:
    loop = asyncio.new_event_loop()
    door = Listener(loop, lambda: Connection(LoopIO(loop), Recorder()), per_address=1)
    assert door._key(("127.0.0.1", 1)) is None
    assert door._key(("::1", 1, 0, 0)) is None
    assert door._key("") is None
    assert door._key(("192.0.2.1", 1)) == "192.0.2.1"
    one = door._key(("2001:db8:1:2:3::4", 1, 0, 0))
    assert one is not None
    assert one == door._key(("2001:db8:1:2:ffff::", 1, 0, 0))
    assert one != door._key(("2001:db8:1:3::", 1, 0, 0))
    loop.close()


class ExhaustedSocket(socket.socket):
    """A listening socket of a process without free file descriptors."""

    failures = 1

    def accept(self):  # type: ignore[no-untyped-def]
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_it_pauses_when_file_descriptors_run_out(make_door: MakeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "EXHAUSTED_PAUSE_S", 0.05)
    monkeypatch.setattr(addresses.socket, "socket", ExhaustedSocket)
    door = make_door()
    (address,) = await door.listener.open(["127.0.0.1:0"])
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
    writer.write(b"x")
    await settle(lambda: door.listener._retry is not None)
    assert door.recorders == []
    await settle(lambda: bool(door.recorders))
    await door.recorders[0].until_event("received")
    writer.close()


async def test_many_at_once_all_come_in(make_door: MakeDoor) -> None:
    door = make_door()
    (address,) = await door.listener.open(["127.0.0.1:0"])
    clients = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port_of(address)) for _ in range(100)))
    await settle(lambda: len(door.recorders) == 100)
    for _, writer in clients:
        writer.close()
