"""What a server that is restarted saves of sessions, and what it does with what was saved."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.app.live_server import door, running, settings
from tests.net.conftest import Slow
from tests.raw import SM, RawClient, condition
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Timeouts
from xmpp_server.storage.api import StorageFullError
from xmpp_server.storage.commit import Pending


async def test_a_start_that_fails_keeps_the_saved_sessions(tmp_path: Path) -> None:
    config = settings(tmp_path, storage=f"sqlite:///{tmp_path}/xmpp.db")
    async with running(config, "juliet") as server:
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.abort()
    occupied = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = occupied.sockets[0].getsockname()[1]
    taken = msgspec.structs.replace(config.listen, http=(f"127.0.0.1:{port}",))
    with pytest.raises(OSError, match="in use"):
        await Server(msgspec.structs.replace(config, listen=taken)).start()
    occupied.close()
    await occupied.wait_closed()
    async with running(config) as server:
        again = await RawClient.authenticated(door(server, "c2s_tls"), "juliet")
        assert (await again.resume(token)).tag == SM + "resumed"
        again.abort()


@pytest.mark.parametrize(("ready", "handled"), [(True, "1"), (False, "0")])
async def test_a_planned_restart_counts_what_was_handled(tmp_path: Path, ready: bool, handled: str) -> None:
    """What a handler was still working on is sent again by the client, unless it was ready in time."""
    config = settings(tmp_path, storage=f"sqlite:///{tmp_path}/xmpp.db", timeouts=Timeouts(drain_s=0.5))
    async with running(config, "juliet") as server:
        slow = Slow(server)
        juliet = await RawClient.login(door(server, "c2s_tls"), "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        juliet.send(Slow.REQUEST)
        await slow.asked.wait()
        if ready:
            asyncio.get_running_loop().call_later(0.2, slow.go.set)
    await juliet.rest(5)
    async with running(config) as server:
        again = await RawClient.authenticated(door(server, "c2s_tls"), "juliet")
        assert (await again.resume(token)).get("h") == handled
        if ready:
            assert (await again.read()).get("id") == "slow"
        again.abort()


async def test_a_server_that_cannot_save_its_sessions_stops_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings(tmp_path), "juliet") as server:
        juliet = await RawClient.login(door(server, "c2s_tls"), "juliet", "balcony")
        await juliet.enable(resume=True)

        def full(_sessions: object) -> Pending[None]:
            write: Pending[None] = Pending()
            write.fail(StorageFullError("no space"))
            return write

        monkeypatch.setattr(server.storage.sessions, "save_all", full)
    assert condition(await juliet.rest(5)) == "system-shutdown"


async def test_a_planned_restart_keeps_sessions(tmp_path: Path) -> None:
    config = settings(tmp_path, storage=f"sqlite:///{tmp_path}/xmpp.db")
    async with running(config, "romeo", "juliet") as server:
        address = door(server, "c2s_tls")
        juliet = await RawClient.login(address, "juliet", "balcony")
        token = (await juliet.enable(resume=True)).attrib["id"]
        romeo = await RawClient.login(address, "romeo")
        romeo.send("<message to='juliet@localhost/balcony' type='chat' id='m'><body>x</body></message>")
        await romeo.ping()
    assert condition(await juliet.rest(5)) == "system-shutdown"
    assert condition(await romeo.rest(5)) == "system-shutdown"
    async with running(config) as server:
        again = await RawClient.authenticated(door(server, "c2s_tls"), "juliet")
        answer = await again.resume(token)
        assert answer.tag == SM + "resumed"
        assert (await again.read()).get("id") == "m"
        again.abort()
