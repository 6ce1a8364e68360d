"""A large file into the program and out of it, with a slot that nobody was asked for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from components.xmpp_files.index import File, Index
from components.xmpp_files.slots import Slot, SlotSigner, new_id
from tests.components.files.conftest import FREE
from tests.components.files.xmpp_peers import Program


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


async def slot(program: Program, size: int) -> tuple[str, str]:
    """Return the URLs of a slot: for GET and for PUT."""
    (started,) = program.wait_for("started")
    now = int(time.time())
    file = File(new_id(), "a@b", "b", "x.bin", size, "a/b", "message", now, None, now + 60)
    index = Index(program.folder / "data" / "index.db")
    await index.open()
    await index.reserve(file, FREE)
    await index.close()
    signer = SlotSigner((program.folder / "data" / "slots.key").read_bytes())
    token = signer.token(Slot(file.id, file.name, size, "", "u", now + 60))
    url = f"http://{started['http'][0]}/{file.id}/{file.name}"
    return url, f"{url}?slot={token}"


async def transfer(program: Program, size: int, chunk: bytes) -> int:
    """PUT and GET a file of `size` bytes, a multiple of the chunk's; return by how much the program's memory grew."""
    url, put = await slot(program, size)
    before = peak_bytes(program.pid)
    async with aiohttp.ClientSession() as session:
        headers = {"Content-Length": str(size)}
        async with session.put(put, data=_chunks(size, chunk), headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        async with session.get(url) as answer:
            received = bytearray()
            count = 0
            async for data in answer.content.iter_any():
                received += data
                if len(received) >= len(chunk):
                    assert received[: len(chunk)] == chunk
                    del received[: len(chunk)]
                    count += 1
        assert (count * len(chunk), received) == (size, b"")
        async with session.get(url, headers={"Range": f"bytes={size - 3}-"}) as answer:
            assert (answer.status, await answer.read()) == (206, chunk[-3:])
    return peak_bytes(program.pid) - before


async def _chunks(size: int, chunk: bytes) -> AsyncIterator[bytes]:
    for _ in range(size // len(chunk)):
        yield chunk
