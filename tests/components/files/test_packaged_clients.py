"""Clients as Debian packages them send files through the program, with nothing set up in them or in it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.components.files.test_default_install import FREE_PORTS, RUN
from tests.interop.slix import SlixClient
from tests.interop.terminal import TIMEOUT_S, Terminal, terminal
from tests.peers import PASSWORD, ServerProcess, environment, need, trusting


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "server", RUN, component=0)
    (tmp_path / "server" / "files.toml").write_text(FREE_PORTS)
    with process.serving("romeo", "juliet"):
        yield process


@contextlib.asynccontextmanager
async def profanity(server: ServerProcess, home: Path, user: str) -> AsyncIterator[Terminal]:
    """Profanity in a terminal, logged in."""
    host, port = server.c2s
    async with terminal(environment(home), need("profanity", "profanity")) as window:
        await window.shows("Profanity")
        window.type(f"/connect {user}@localhost server {host} port {port} tls trust")
        await window.shows("Enter password")
        window.type(PASSWORD)
        await window.shows("logged in successfully")
        yield window
        window.type("/quit")


async def test_two_profanities_exchange_a_file(server: ServerProcess, tmp_path: Path) -> None:
    """What one sends the other sees as a link, and saves byte for byte."""
    file, saved = tmp_path / "letter.bin", tmp_path / "saved.bin"
    file.write_bytes(random.Random(2).randbytes(300_001))
    async with (
        profanity(server, tmp_path / "juliet", "juliet") as juliet,
        profanity(server, tmp_path / "romeo", "romeo") as romeo,
    ):
        juliet.type("/msg romeo@localhost here it comes")
        await juliet.shows("here it comes")
        romeo.type("/msg juliet@localhost send it")
        await romeo.shows("here it comes")
        juliet.type(f"/sendfile {file}")
        (link,) = set(re.findall(r"https://localhost:\d+/\S+/letter\.bin", await romeo.shows("/letter.bin")))
        romeo.type(f"/url save {link} {saved}")
        async with asyncio.timeout(TIMEOUT_S):
            while not saved.exists() or saved.stat().st_size < file.stat().st_size:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    assert saved.read_bytes() == file.read_bytes()


async def test_profanity_sends_a_file(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "balcony scene.txt"
    file.write_text("But soft! \u2665\n" * 1000, "utf-8")
    romeo = await SlixClient("romeo").online(server.c2s)
    try:
        async with profanity(server, tmp_path / "juliet", "juliet") as juliet:
            juliet.type("/msg romeo@localhost here it comes")
            await romeo.hears_text("here it comes")
            juliet.type(f'/sendfile "{file}"')
            heard = await romeo.hears(lambda one: one.text.startswith("https://localhost:"))
        async with aiohttp.ClientSession() as session, session.get(heard.text, ssl=trusting()) as answer:
            assert await answer.read() == await asyncio.to_thread(file.read_bytes)
    finally:
        await romeo.offline()
