"""How the process ends when an admin says so, and who is one: XEP-0133 §4.29 to §4.31, with the real process."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.peers import ServerProcess
from tests.raw import SM, STREAM, RawClient, abort_all

COMMAND = "{http://jabber.org/protocol/commands}command"
FORM = "{jabber:x:data}x"
STREAMS = "{urn:ietf:params:xml:ns:xmpp-streams}"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that has an administrator, and somebody else."""
    folder = tmp_path_factory.mktemp("process")
    ServerProcess(folder).add_users("admin", "juliet")
    return folder / "data"


@pytest.fixture
def server(stopped: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path, top='admins = ["admin@localhost"]')
    shutil.copytree(stopped, process.data)
    process.start()
    yield process
    failures = process.failures()
    process.kill()
    assert failures == []


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()


async def asks_for(client: RawClient, name: str, delay_s: int = 0) -> None:
    """Run one of the two commands that end the process."""
    await submits(client, name, delay=(str(delay_s),))


async def submits(client: RawClient, name: str, **fields: Sequence[str]) -> None:
    """Run a command that asks for a form."""
    command = f"command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#{name}'"
    asked = (await client.iq(f"<iq type='set' id='a' to='localhost'><{command}/></iq>")).find(COMMAND)
    assert asked is not None
    assert asked.find(FORM) is not None
    filled = "".join(
        f"<field var='{var}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"
        for var, values in fields.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{filled}</x>"
    session = asked.attrib["sessionid"]
    answer = await client.iq(
        f"<iq type='set' id='b' to='localhost'><{command} sessionid='{session}'>{form}</command></iq>"
    )
    done = answer.find(COMMAND)
    assert done is not None
    assert done.attrib["status"] == "completed"


async def hears_the_end(client: RawClient) -> None:
    error = await client.until(lambda element: element.tag == STREAM + "error")
    assert error.find(STREAMS + "system-shutdown") is not None
    await client.close()


async def test_shutdown(server: ServerProcess) -> None:
    admin = await RawClient.login(server.c2s_tls, "admin")
    await asks_for(admin, "shutdown")
    await hears_the_end(admin)
    assert await asyncio.to_thread(server.wait) == 0
    assert [line["event"] for line in server.log][-2:] == ["stopping", "stopped"]


async def test_restart(server: ServerProcess) -> None:
    pid = server.pid
    admin = await RawClient.login(server.c2s_tls, "admin")
    previd = (await admin.enable(resume=True)).attrib["id"]
    await asks_for(admin, "restart")
    await hears_the_end(admin)
    await asyncio.to_thread(server.await_start)
    assert server.pid == pid
    async with await RawClient.authenticated(server.c2s_tls, "admin") as again:
        assert (await again.resume(previd)).tag == SM + "resumed"
        await again.close()
    assert await asyncio.to_thread(server.stop) == 0


async def test_who_was_named_administers_after_a_restart_too(server: ServerProcess) -> None:
    admin = await RawClient.login(server.c2s_tls, "admin")
    await submits(admin, "edit-admin", adminjids=("admin@localhost", "juliet@localhost"))
    await asks_for(admin, "restart")
    await hears_the_end(admin)
    await asyncio.to_thread(server.await_start)
    juliet = await RawClient.login(server.c2s_tls, "juliet")
    await asks_for(juliet, "shutdown")
    await hears_the_end(juliet)
    assert await asyncio.to_thread(server.wait) == 0


async def test_no_restart_into_a_wrong_configuration(server: ServerProcess) -> None:
    text = server.config_file.read_text()
    admin = await RawClient.login(server.c2s_tls, "admin")
    server.config_file.write_text("domains = 1")
    await asks_for(admin, "restart")
    deadline = time.monotonic() + 10.0
    while not any(line["event"] == "restart-failed" for line in server.log):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    server.config_file.write_text(text)
    await asks_for(admin, "restart")
    await hears_the_end(admin)
    await asyncio.to_thread(server.await_start)
    assert await asyncio.to_thread(server.stop) == 0


async def test_a_signal_does_not_wait_for_a_restart(server: ServerProcess) -> None:
    admin = await RawClient.login(server.c2s_tls, "admin")
    await asks_for(admin, "restart", 30)
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    await hears_the_end(admin)
    assert await stopping == 0
    assert sum(line["event"] == "started" for line in server.log) == 1
