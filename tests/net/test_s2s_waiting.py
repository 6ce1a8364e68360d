"""What waits for another server is not safe yet, and how many servers are remembered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.net.test_s2s import TarPit, bounce, bounced, lonely
from tests.raw import SM
from xmpp_server.net import s2s


async def test_what_waits_for_a_server_is_not_acknowledged(tmp_path: Path) -> None:
    """XEP-0198, docs/acknowledgement.md: an answer covers no message that is in memory alone; then it does not wait."""
    asked = asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    async with TarPit(patient) as address, lonely(tmp_path, sick=address) as (_, romeo):
        await romeo.enable()
        romeo.send("<message to='x@sick.test' id='m'><body>?</body></message>")
        romeo.request()
        romeo.send("<iq type='get' id='p' to='a.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        first = await romeo.read()
        assert first.get("id") == "p", "acknowledged before it was sent"
        asked.set()
        heard = [await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a")]
        heard.append(await romeo.until(lambda element: element.get("id") == "m" or element.tag == SM + "a"))
        assert [(one.get("type"), one.get("h")) for one in heard] == [("error", None), (None, "2")]


async def test_servers_that_cannot_be_reached_are_forgotten_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 3)
    async with lonely(tmp_path, **dict.fromkeys("abcde", "127.0.0.1:1")) as (server, romeo):
        assert server.federating is not None
        for name in "bcde":
            assert await bounce(romeo, f"{name}.test") == "remote-server-timeout"
            assert len(server.federating.federation.lanes) <= 3


async def test_there_is_an_end_to_how_many_servers_are_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2s, "LANES", 2)
    monkeypatch.setattr(s2s, "CONNECT_S", 1.0)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""

    async with TarPit(silent) as address, lonely(tmp_path, **dict.fromkeys("bcd", address)) as (_, romeo):
        for name in "bcd":
            romeo.send(f"<message to='{name}.test' id='{name}'><body>?</body></message>")
        assert await bounced(romeo, "d") == "resource-constraint"
        assert [await bounced(romeo, id_) for id_ in "bc"] == ["remote-server-timeout"] * 2
