"""kill -9 of the archive and of the core, under load: every acknowledged message is in the archive exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components.archive.running import ArchiveProcess, connected, pair
from tests.peers import ServerProcess
from tests.raw import SM, ClosedError, RawClient

#: How often something is killed; `ARCHIVE_KILLS=20` for more of it.
CYCLES = int(os.environ.get("ARCHIVE_KILLS", "6"))
BURST = 20
CATCH_UP_S = 30.0
DISK_BYTES = 2 << 20


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[ServerProcess, ArchiveProcess]]:
    server, archive = pair(tmp_path, "[limits]\noffline_messages = 100000")
    with connected(server, archive, "romeo", "juliet"):
        yield server, archive


class Tally:
    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged: set[str] = set()


async def send(client: RawClient, tally: Tally) -> None:
    """Send bursts, each followed by `<r/>`, until the connection breaks."""
    first = tally.sent
    with contextlib.suppress(ClosedError, ConnectionError, TimeoutError):
        while True:
            burst = []
            for _ in range(BURST):
                burst.append(f"<message to='juliet@localhost' type='chat'><body>{tally.sent}</body></message>")
                tally.sent += 1
            client.send("".join(burst))
            client.request()
            answer = await client.until(lambda element: element.tag == SM + "a", 60.0)
            tally.acknowledged |= {str(index) for index in range(first, first + int(answer.get("h", "")))}


async def flowing(server: ServerProcess, tally: Tally) -> tuple[RawClient, asyncio.Task[None]]:
    sender = await RawClient.login(server.c2s_tls, "romeo")
    await sender.enable()
    return sender, asyncio.create_task(send(sender, tally))


def missing(archive: ArchiveProcess, tally: Tally) -> set[str]:
    lost: set[str] = set()
    for owner in ("romeo@localhost", "juliet@localhost"):
        found = Counter(archive.bodies(owner))
        doubled = [text for text, count in found.items() if count > 1]
        assert not doubled, doubled[:10]
        lost |= tally.acknowledged - found.keys()
    return lost


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * CYCLES)
async def test_every_acknowledged_message_once(
    running: tuple[ServerProcess, ArchiveProcess],
) -> None:
    server, archive = running
    moments = random.Random(4)
    tally = Tally()
    for cycle in range(CYCLES):
        sender, task = await flowing(server, tally)
        await asyncio.sleep(moments.uniform(0.3, 0.8))
        if cycle % 3 != 1:
            archive.kill()
            await asyncio.sleep(moments.uniform(0, 0.6))
        if cycle % 3 != 0:
            server.kill()
            await task
            sender.abort()
            server.start()
        if cycle % 3 != 1:
            await asyncio.to_thread(archive.start)
        else:
            await asyncio.sleep(0.5)
        if not task.done():
            await asyncio.sleep(0.5)
            sender.abort()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    print(f"{tally.sent} sent, {len(tally.acknowledged)} acknowledged")
    deadline = time.monotonic() + CATCH_UP_S
    while missing(archive, tally) and time.monotonic() < deadline:
        await asyncio.to_thread(time.sleep, 0.2)
    lost = missing(archive, tally)
    assert not lost, f"acknowledged and not archived: {sorted(lost, key=int)[:20]} of {len(tally.acknowledged)}"
    assert len(tally.acknowledged) > CYCLES * BURST
    texts = [int(text) for text in archive.bodies("romeo@localhost")]
    assert texts == sorted(texts)
    assert server.failures() == []
    assert not archive.failed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Where the archive has its database: a few megabytes of memory."""
    disk = tmp_path / "archive" / "data"
    disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs takes root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


async def test_a_full_disk_of_the_archive_is_nobodys_trouble(small_disk: Path, tmp_path: Path) -> None:
    """Messages go on and are acknowledged; when there is space again, all of them are in the archive (F4)."""
    server, archive = pair(tmp_path, "[limits]\noffline_messages = 100000")
    try:
        server.start()
        archive.start()
        server.add_users("romeo", "juliet")
        filling = small_disk / "filling"
        with filling.open("wb") as file, contextlib.suppress(OSError):
            file.write(bytes(DISK_BYTES))
        sender = await RawClient.login(server.c2s_tls, "romeo")
        await sender.enable()
        for number in range(200):
            sender.send(f"<message to='juliet@localhost' type='chat'><body>{number}</body></message>")
        sender.request()
        answer = await sender.until(lambda element: element.tag == SM + "a", 20.0)
        assert answer.get("h") == "200"
        assert any(line["event"] == "archive-away" for line in server.log)
        filling.unlink()
        expected = [str(number) for number in range(200)]
        deadline = time.monotonic() + CATCH_UP_S
        while archive.bodies("juliet@localhost") != expected and time.monotonic() < deadline:
            await asyncio.to_thread(time.sleep, 0.2)
        assert archive.bodies("juliet@localhost") == archive.bodies("romeo@localhost") == expected
        sender.abort()
        assert server.failures() == []
        assert not archive.failed
    finally:
        archive.kill()
        server.kill()
