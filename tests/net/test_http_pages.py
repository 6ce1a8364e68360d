"""What the HTTP door serves, and whom it does not wait for."""

from __future__ import annotations

import asyncio

import pytest

from xmpp_server.net import addresses
from xmpp_server.net.http_pages import Pages

REQUEST = b"GET /health HTTP/1.1\r\nHost: x\r\n"


async def sample() -> bytes:
    return b""


@pytest.mark.parametrize("data", [b"", REQUEST, REQUEST + b"\r\n"])
async def test_nobody_holds_a_connection_for_ever(data: bytes) -> None:
    [listening] = await addresses.bind(["127.0.0.1:0"])
    pages = Pages(dict, sample, lifetime_s=0.1)
    await pages.start([listening])
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(data)
    async with asyncio.timeout(5.0):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 OK") == data.endswith(b"\r\n\r\n")
    writer.close()
    await pages.stop()
