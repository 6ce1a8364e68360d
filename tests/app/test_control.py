from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from functools import partial
from pathlib import Path

import pytest

from xmpp_server.app.control import ControlError, ControlServer, NotRunningError, request


async def echo(arguments: dict[str, object]) -> object:
    return arguments


async def refuse(_: dict[str, object]) -> object:
    raise ControlError("there is no such account")


async def break_down(_: dict[str, object]) -> object:
    raise RuntimeError("geheim")


@pytest.fixture
async def path(tmp_path: Path):
    folder = tmp_path / ("long" * 40)  # longer than the kernel takes for the address of a socket
    folder.mkdir()
    path = folder / "control.sock"
    server = ControlServer(path, {"echo": echo, "refuse": refuse, "break": break_down})
    await server.start()
    yield path
    await server.close()
    assert not path.exists()


async def ask(path: Path, command: str, **arguments: object) -> object:
    return await asyncio.get_running_loop().run_in_executor(None, partial(request, path, command, arguments, 5.0))


async def raw(path: Path, data: bytes) -> dict[str, object]:
    folder = os.open(path.parent, os.O_PATH)
    reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    writer.write(data)
    writer.write_eof()
    answer = json.loads(await reader.read())
    writer.close()
    await writer.wait_closed()
    return answer


async def test_what_is_in_the_way_is_named_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with pytest.raises(FileExistsError) as caught:
        await ControlServer(path, {}).start()
    assert caught.value.filename == str(path)
    assert path.read_text() == "mine"


async def test_a_request_is_answered(path):
    assert await ask(path, "echo", jid="a@b", n=3) == {"jid": "a@b", "n": 3}


async def test_only_the_owner_may_open_the_socket(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_refusal_carries_its_text(path):
    with pytest.raises(ControlError, match=r"^there is no such account$"):
        await ask(path, "refuse")


async def test_a_failure_carries_no_detail(path):
    with pytest.raises(ControlError, match=r"^internal error"):
        await ask(path, "break")


async def test_an_unknown_command(path):
    with pytest.raises(ControlError, match=r"^unknown command none$"):
        await ask(path, "none")


@pytest.mark.parametrize("data", [b"", b"x\n", b"[]\n", b"{}", b'{"command": 1}\n'])
async def test_what_is_no_request_gets_an_error(path, data):
    assert "error" in await raw(path, data)


async def test_a_request_without_end_is_cut_off(path):
    with contextlib.suppress(ConnectionError):
        assert "error" in await raw(path, b"a" * (2 << 20))
    assert await ask(path, "echo") == {}


async def test_nobody_listens(tmp_path):
    for path in (tmp_path / "none", tmp_path / "none" / "none"):
        with pytest.raises(NotRunningError):
            request(path, "status", {})


async def test_the_socket_of_a_dead_server_is_replaced(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunningError):
        request(path, "status", {})
    server = ControlServer(path, {"echo": echo})
    await server.start()
    assert await ask(path, "echo") == {}
    await server.close()


async def test_closing_waits_for_the_command_under_way(tmp_path):
    path = tmp_path / "control.sock"
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_: dict[str, object]) -> object:
        begun.set()
        await go.wait()
        return "done"

    server = ControlServer(path, {"slow": slow})
    await server.start()
    asking = asyncio.ensure_future(ask(path, "slow"))
    await begun.wait()
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    go.set()
    await closing
    assert await asking == "done"
