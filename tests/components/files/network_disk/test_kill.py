"""The program is killed while files come in: what it has answered for is there, and nothing else is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.components.files.network_disk.people import Person, online
from tests.components.files.xmpp_peers import Ours, Program
from tests.components.waiting import until
from tests.peers import DOMAIN
from tests.ports import free_ports

ROMEO = f"romeo@{DOMAIN}"
DATA = bytes(range(256)) * 2000
KILLS = 3


@pytest.fixture
async def romeo(tmp_path: Path) -> AsyncIterator[tuple[Person, Program]]:
    server = Ours(tmp_path / "server")
    await asyncio.to_thread(server.start)
    [port] = free_ports(1)
    settings = "[quota]\nmin_free_bytes = 0\n[upload]\npurge_interval_s = 0.2\n"
    program = Program(tmp_path / "files", server.component[1], more=settings, http_port=port)
    await asyncio.to_thread(program.start)
    await asyncio.to_thread(program.wait_for, "connected", 2)
    person = await online("romeo", server.c2s)
    yield person, program
    await person.offline()
    assert await asyncio.to_thread(program.stop) == 0
    await asyncio.to_thread(server.stop)


async def sending(browser: aiohttp.ClientSession, disk: str, csrf: str, who: str, answered: list[str]) -> None:
    """Put one file after the other until the program dies."""
    for number in range(1000):
        form = aiohttp.FormData()
        for name, value in (("csrf", csrf), ("store", ROMEO), ("folder", "0")):
            form.add_field(name, value)
        form.add_field("file", DATA, filename=f"{who}-{number}.bin")
        try:
            async with browser.post(f"{disk}do/put", data=form, allow_redirects=False) as answer:
                assert answer.status == 303
        except aiohttp.ClientError:
            return
        answered.append(f"{who}-{number}.bin")


async def enough(answered: list[str], count: int) -> None:
    await until(lambda: len(answered) >= count)


def stored_in(data: Path) -> set[str]:
    return {path.name for path in (data / "files").rglob("*") if path.is_file()}


async def test_what_was_answered_is_there(romeo, tmp_path):
    person, program = romeo
    answered: list[str] = []
    url = (await person.run("disk/browse")).value("url")
    disk = url.partition("login/")[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(url) as answer:
            csrf = (await answer.text()).partition('name="csrf" value="')[2].partition('"')[0]
        for kill in range(KILLS):
            senders = [
                asyncio.create_task(sending(browser, disk, csrf, f"{kill}{letter}", answered)) for letter in "abc"
            ]
            await enough(answered, len(answered) + 5)
            os.kill(program.pid, signal.SIGKILL)
            await asyncio.gather(*senders)
            await asyncio.to_thread(program.stop)
            await asyncio.to_thread(program.start)
            await asyncio.to_thread(program.wait_for, "connected", 2 * (kill + 2))
        # The session has outlived it too.
        seen: dict[str, str] = {}
        after = None
        while True:
            more = {} if after is None else {"session": after}
            listed = await person.run("disk/list", {"folder": "/"}, action="next" if more else "execute", **more)
            seen |= {row["name"]: row["item"] for row in listed.rows if row["name"] != "Uploads"}
            after = listed.session
            if listed.status == "completed":
                break
        assert set(answered) <= set(seen)
        assert len(seen) <= len(answered) + 3 * KILLS  # stored, but killed before the answer
        for name, item in seen.items():
            async with browser.get(f"{disk}get/{item[1:]}/{name}") as answer:
                assert await answer.read() == DATA, name
    data = tmp_path / "files" / "data"
    await until(lambda: len(stored_in(data)) == len(seen))  # the purge has removed what was half-way
    stored = stored_in(data)
    with sqlite3.connect(data / "index.db") as database:
        rows = dict(database.execute("SELECT id, size FROM files").fetchall())
        totals = database.execute("SELECT bytes FROM totals WHERE who = ?", (ROMEO,)).fetchone()
    database.close()
    assert (set(rows), set(rows.values())) == (stored, {len(DATA)})
    assert totals == (len(DATA) * len(seen),)
    assert list((data / "parts").iterdir()) == []
