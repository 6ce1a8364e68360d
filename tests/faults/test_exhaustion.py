"""The machine runs out of something: file descriptors, or space on the disk (F4)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import BYSTANDER, bystander
from tests.peers import ServerProcess
from tests.raw import CLIENT, SM, ClosedError, RawClient, abort_all, logged_in

FILES = 120
DISK_BYTES = 8 << 20
FREE_BYTES = 1 << 20
BURST = 10


async def test_without_file_descriptors_sessions_live_on(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    try:
        server.start(files=FILES)
        server.add_users("romeo", BYSTANDER)
        with bystander(server):
            crowd = [await RawClient.connect(server.c2s) for _ in range(2 * FILES)]
            await asyncio.sleep(1.5)
            assert any(line["event"] == "accept_paused" for line in server.log)
            for one in crowd:
                one.abort()
            async with asyncio.timeout(5.0), logged_in(server.c2s_tls, "romeo") as romeo:
                await romeo.ping()
        await abort_all()
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose data folder is a file system of a few MiB."""
    data = tmp_path / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(data)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system is not allowed: run the tests as root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(data)], check=True)


class Sender:
    """Sends numbered messages under XEP-0198, and notes what is refused and what is acknowledged."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.sent = 0
        self.refused: dict[int, str] = {}
        self.acknowledged = 0

    async def burst(self, size_bytes: int) -> None:
        """Send a few messages and wait for the acknowledgement."""
        body = "x" * size_bytes
        for _ in range(BURST):
            self.client.send(
                f"<message to='juliet@localhost' type='chat' id='{self.sent}'><body>{body}</body></message>"
            )
            self.sent += 1
        self.client.request()
        await self.until_acknowledged()

    async def until_acknowledged(self) -> None:
        """Read until all that was sent is acknowledged; errors come before."""
        while self.acknowledged < self.sent:
            element = await self.client.read()
            if element.tag == SM + "a":
                self.acknowledged = int(element.get("h", ""))
            elif element.tag == SM + "r":
                self.client.acknowledge()
            elif element.get("type") == "error":
                error = element.find(CLIENT + "error")
                assert error is not None
                self.refused[int(element.get("id", ""))] = error[0].tag.partition("}")[2]


async def received(server: ServerProcess, wanted: set[int]) -> list[int]:
    """Log in as the recipient and take what was stored."""
    numbers: list[int] = []
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        juliet.send("<presence/>")
        with contextlib.suppress(TimeoutError, ClosedError):
            while True:
                element = await juliet.read(5.0 if wanted - set(numbers) else 0.3)
                if element.tag == CLIENT + "message":
                    numbers.append(int(element.get("id", "")))
        await juliet.close()
    return numbers


async def test_a_full_disk_is_told_and_recovered_from(small_disk: Path) -> None:
    server = ServerProcess(small_disk, "[limits]\noffline_messages = 100000")
    try:
        server.start()
        server.add_users("romeo", "juliet", BYSTANDER)
        filler = server.data / "filler"
        with bystander(server):
            space = os.statvfs(server.data)
            filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - FREE_BYTES)))
            async with logged_in(server.c2s_tls, "romeo") as romeo:
                await romeo.enable()
                sender = Sender(romeo)
                while not sender.refused and sender.sent < 2_000:
                    await sender.burst(4_000)
                assert sender.refused, "the disk is full, and the sender was not told"
                assert set(sender.refused.values()) <= {"resource-constraint", "internal-server-error"}
                filler.unlink()
                async with asyncio.timeout(5.0):
                    while sender.sent - 1 in sender.refused:
                        await sender.burst(100)
                        await asyncio.sleep(0.2)
            kept = set(range(sender.sent)) - sender.refused.keys()
            assert sorted(await received(server, kept)) == sorted(kept)
        await abort_all()
        assert server.stop() == 0
    finally:
        server.kill()
