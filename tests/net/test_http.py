"""The HTTP door."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from xmpp_server.net.http import HttpServer


async def sample() -> bytes:
    return b"# TYPE sessions gauge\nsessions 3\n"


async def test_health_and_metrics(tmp_path: Path) -> None:
    state: dict[str, object] = {"status": "ok", "sessions": 3}
    server = HttpServer(lambda: state, sample)
    path = tmp_path / "http.sock"
    address, unix = await server.start(["127.0.0.1:0", f"unix:{path}"])
    assert unix == f"unix:{path}"
    async with aiohttp.ClientSession(f"http://{address}") as client:
        async with client.get("/health") as answer:
            assert (answer.status, await answer.json()) == (200, state)
        state["status"] = "storage-failed"
        async with client.get("/health") as answer:
            assert answer.status == 503
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert await answer.text() == "# TYPE sessions gauge\nsessions 3\n"
        async with client.get("/else") as answer:
            assert answer.status == 404
    await server.stop()
    await server.stop()
    assert not path.exists()
    with pytest.raises(aiohttp.ClientConnectorError):
        async with aiohttp.ClientSession() as client, client.get(f"http://{address}/health"):
            pass


async def test_no_address_no_door() -> None:
    server = HttpServer(dict, sample)
    assert await server.start([]) == []
    await server.stop()


async def test_door_that_nobody_came_to_closes(tmp_path: Path) -> None:
    server = HttpServer(dict, sample)
    path = tmp_path / "http.sock"
    await server.start([f"unix:{path}"])
    await server.stop()
    assert not path.exists()


async def test_door_closes_before_the_first_is_served(tmp_path: Path) -> None:
    server = HttpServer(dict, sample)
    path = tmp_path / "http.sock"
    await server.start([f"unix:{path}"])
    reader, writer = await asyncio.open_unix_connection(path)
    await asyncio.sleep(0)
    await server.stop()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert not path.exists()
