"""A gigabyte through the program in bounded memory; no server is there: slots are signed, not asked for."""

from __future__ import annotations

import asyncio

import pytest

from tests.components.files.transfers import transfer
from tests.components.files.xmpp_peers import Program
from tests.ports import free_ports

SIZE = 1 << 30
CHUNK = bytes(1 << 20)
GROWTH_BYTES = 48 << 20


@pytest.mark.slow
async def test_a_gigabyte_takes_little_memory(tmp_path):
    [port] = free_ports(1)
    program = Program(tmp_path, port, doors="idle_timeout_s = 60.0", more="[quota]\nmin_free_bytes = 0\n")
    await asyncio.to_thread(program.start)
    try:
        assert await transfer(program, SIZE, CHUNK) < GROWTH_BYTES
    finally:
        assert await asyncio.to_thread(program.stop) == 0
