"""Clients as Debian packages them send files through the program, with nothing set up in them or in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.components.files.test_default_install import FREE_PORTS, RUN
from tests.interop.slix import SlixClient
from tests.interop.terminal import terminal
from tests.peers import PASSWORD, ServerProcess, environment, need, trusting


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "server", RUN)
    text = process.config_file.read_text().replace("component = []", 'component = ["127.0.0.1:0"]')
    process.config_file.write_text(text)
    (tmp_path / "server" / "files.toml").write_text(FREE_PORTS)
    process.start()
    process.add_users("romeo", "juliet")
    yield process
    try:
        assert process.failures() == []
        assert process.stop() == 0
    finally:
        process.kill()


async def test_profanity_sends_a_file(server: ServerProcess, tmp_path: Path) -> None:
    profanity = need("profanity", "profanity")
    file = tmp_path / "balcony scene.txt"
    file.write_text("But soft! \u2665\n" * 1000, "utf-8")
    romeo = await SlixClient("romeo").online(server.c2s)
    try:
        host, port = server.c2s
        async with terminal(environment(tmp_path / "home"), profanity) as window:
            await window.shows("Profanity")
            window.type(f"/connect juliet@localhost server {host} port {port} tls trust")
            await window.shows("Enter password")
            window.type(PASSWORD)
            await window.shows("logged in successfully")
            window.type("/msg romeo@localhost here it comes")
            await romeo.hears_text("here it comes")
            window.type(f'/sendfile "{file}"')
            heard = await romeo.hears(lambda one: one.text.startswith("https://localhost:"))
            window.type("/quit")
        async with aiohttp.ClientSession() as session, session.get(heard.text, ssl=trusting()) as answer:
            assert await answer.read() == await asyncio.to_thread(file.read_bytes)
    finally:
        await romeo.offline()
