"""F3: SIGTERM and a new start. Sessions resume on the other side, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import CLIENT, SM, STREAM, RawClient, condition, logged_in

SESSIONS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("restart"))
    process.start()
    process.add_users("romeo", "juliet", "slixer", *(f"user{number}" for number in range(SESSIONS)))
    yield process
    failures = process.failures()
    process.kill()
    assert failures == []


async def bodies(client: RawClient, count: int) -> list[str]:
    """Read so many messages."""
    texts: list[str] = []
    while len(texts) < count:
        element = await client.read()
        if element.tag == CLIENT + "message":
            texts.append(element.findtext(CLIENT + "body", ""))
    return texts


async def test_a_session_resumes_after_a_restart(server: ServerProcess) -> None:
    romeo = await RawClient.login(server.c2s_tls, "romeo")
    previd = (await romeo.enable(resume=True)).attrib["id"]
    romeo.send("<presence/>")
    jid = romeo.jid
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        juliet.send(f"<message to='{jid}' type='chat'><body>read, and not acknowledged</body></message>")
        assert await bodies(romeo, 1) == ["read, and not acknowledged"]
        handled = romeo.handled
        juliet.send(f"<message to='{jid}' type='chat'><body>not even read</body></message>")
        await juliet.ping()
    romeo.send("<message to='juliet@localhost' type='chat'><body>from before</body></message>")
    romeo.request()
    await romeo.until(lambda element: element.tag == SM + "a")
    await asyncio.to_thread(server.restart)
    romeo.abort()
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        juliet.send("<presence/>")
        assert await bodies(juliet, 1) == ["from before"]
        juliet.send(f"<message to='{jid}' type='chat'><body>to one who is on the way</body></message>")
        await juliet.ping()
        again = await RawClient.authenticated(server.c2s_tls, "romeo")
        again.handled = handled
        resumed = await again.resume(previd)
        assert resumed.tag == SM + "resumed"
        assert resumed.get("h") == "2"
        assert await bodies(again, 2) == ["not even read", "to one who is on the way"]
        again.send(f"<message to='{juliet.jid}' type='chat'><body>from after</body></message>")
        assert await bodies(juliet, 1) == ["from after"]
        await again.ping()
        await again.close()


async def test_slixmpp_resumes_after_a_restart(server: ServerProcess) -> None:
    client = SlixClient("slixer")
    await client.online(server.c2s)
    lost: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    resumed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    client.add_event_handler("disconnected", lost.set_result, disposable=True)
    client.add_event_handler("session_resumed", resumed.set_result)
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        juliet.send(f"<message to='{client.boundjid.full}' type='chat'><body>before</body></message>")
        await client.hears_text("before")
    stopping = asyncio.to_thread(server.restart)
    await asyncio.gather(stopping, asyncio.wait_for(lost, 10))
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        juliet.send(f"<message to='{client.boundjid.full}' type='chat'><body>meanwhile</body></message>")
        await juliet.ping()
    client.connect(*server.c2s)
    await asyncio.wait_for(resumed, 10)
    await client.hears_text("meanwhile")
    await client.settle()
    assert client.texts() == ["before", "meanwhile"]
    await client.offline()


@pytest.mark.timeout(60)
async def test_all_sessions_survive_a_restart_and_all_clients_are_told(server: ServerProcess) -> None:
    names = [f"user{number}" for number in range(SESSIONS)]
    clients = await asyncio.gather(*(RawClient.login(server.c2s_tls, name) for name in names))
    tokens = [(await client.enable(resume=True)).attrib["id"] for client in clients]
    async with logged_in(server.c2s_tls, "juliet") as juliet:
        for client in clients:
            juliet.send(f"<message to='{client.jid}' type='chat'><body>{client.jid}</body></message>")
        await juliet.ping()
    start = time.monotonic()
    endings = asyncio.gather(*(client.rest() for client in clients))
    await asyncio.to_thread(server.stop)
    stopped = time.monotonic()
    assert stopped - start < 10
    for ending in await endings:
        assert condition(ending) == "system-shutdown"
        assert ending[-1].tag == STREAM + "error"
    await asyncio.to_thread(server.start)
    assert time.monotonic() - stopped < 10
    for client in clients:
        client.abort()
    again = await asyncio.gather(*(RawClient.authenticated(server.c2s_tls, name) for name in names))
    answers = await asyncio.gather(*(one.resume(token) for one, token in zip(again, tokens, strict=True)))
    assert [answer.tag for answer in answers] == [SM + "resumed"] * SESSIONS
    for one, before in zip(again, clients, strict=True):
        assert await bodies(one, 1) == [before.jid]
        one.abort()
