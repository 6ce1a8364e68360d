"""A gigabyte through the program in bounded memory; no server is there: slots are signed, not asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from components.xmpp_files.index import File, Index
from components.xmpp_files.slots import Slot, SlotSigner, new_id
from tests.components.files.conftest import FREE
from tests.components.files.xmpp_peers import Program, free_ports

SIZE = 1 << 30
CHUNK = bytes(1 << 20)
GROWTH_BYTES = 48 << 20


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


async def zeros() -> AsyncIterator[bytes]:
    for _ in range(SIZE // len(CHUNK)):
        yield CHUNK


@pytest.mark.slow
async def test_a_gigabyte_takes_little_memory(tmp_path):
    (port,) = free_ports(1)
    program = Program(tmp_path, port, doors="idle_timeout_s = 60.0", more="[quota]\nmin_free_bytes = 0\n")
    await asyncio.to_thread(program.start)
    try:
        await transfer(program)
    finally:
        assert await asyncio.to_thread(program.stop) == 0


async def transfer(program: Program) -> None:
    (started,) = program.wait_for("started")
    now = int(time.time())
    file = File(new_id(), "a@b", "b", "x.bin", SIZE, "a/b", "message", now, None, now + 60)
    index = Index(program.folder / "data" / "index.db")
    await index.open()
    await index.reserve(file, FREE)
    await index.close()
    signer = SlotSigner((program.folder / "data" / "slots.key").read_bytes())
    token = signer.token(Slot(file.id, file.name, SIZE, "", "u", now + 60))
    url = f"http://{started['http'][0]}/{file.id}/{file.name}"
    before = peak_bytes(program.pid)
    async with aiohttp.ClientSession() as session:
        headers = {"Content-Length": str(SIZE)}
        async with session.put(f"{url}?slot={token}", data=zeros(), headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        async with session.get(url) as answer:
            received = 0
            async for chunk in answer.content.iter_any():
                received += len(chunk)
        assert received == SIZE
        async with session.get(url, headers={"Range": f"bytes={SIZE - 3}-"}) as answer:
            assert (answer.status, await answer.read()) == (206, bytes(3))
    assert peak_bytes(program.pid) - before < GROWTH_BYTES
