"""F1 with another server: what its server has acknowledged to a sender has arrived, though that server is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.peers import ServerProcess
from tests.raw import CLIENT, SM, ClosedError, RawClient
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S

CYCLES = 6
BURST = 10
FAR = "far.test"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
async def far(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Server]:
    """The server that stays: it believes certificates of the authority, and answers on the streams of its peer."""
    tls = federation.certificate(tmp_path / "far", authority, FAR)
    rules = S2S(verify="certificate", trust=federation.trusted(tmp_path, authority))
    config = federation.settings(tmp_path / "far", FAR, rules, tls=tls)
    async with federation.running(config, "juliet") as server:
        yield server


@pytest.fixture
def near(tmp_path: Path, authority: trustme.CA, far: Server) -> Iterator[ServerProcess]:
    """The server that is killed."""
    tls = federation.certificate(tmp_path / "near", authority, "localhost")
    process = ServerProcess(
        tmp_path / "near",
        f'[tls]\ncertificate = "{tls.certificate}"\nkey = "{tls.key}"\n'
        f'[s2s]\nverify = "certificate"\ntrust = "{federation.trusted(tmp_path, authority)}"\n'
        f'[s2s.routes]\n"{FAR}" = "{federation.door(far, "s2s")}"\n',
    )
    process.start()
    process.add_users("romeo")
    yield process
    process.kill()


class Count:
    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.arrived: list[int] = []


async def send(romeo: RawClient, target: str, count: Count) -> None:
    """Send bursts, each followed by `<r/>`, until the connection breaks; note what is acknowledged."""
    first = count.sent
    with contextlib.suppress(ClosedError, ConnectionError):
        while True:
            for _ in range(BURST):
                romeo.send(f"<message to='{target}' type='chat'><body>{count.sent}</body></message>")
                count.sent += 1
            romeo.request()
            answer = await romeo.until(lambda element: element.tag == SM + "a")
            count.acknowledged |= set(range(first, first + int(answer.get("h", ""))))


async def listen(juliet: RawClient, count: Count) -> None:
    with contextlib.suppress(ClosedError):
        while True:
            element = await juliet.read(60)
            if element.tag == CLIENT + "message":
                count.arrived.append(int(str(element.findtext(CLIENT + "body"))))


@pytest.mark.slow
async def test_what_is_acknowledged_has_arrived_when_the_sender_s_server_is_killed(
    near: ServerProcess, far: Server
) -> None:
    """docs/acknowledgement.md: with XEP-0198 between the servers a message is acknowledged when the other has it."""
    count, moments = Count(), random.Random(1)
    juliet = await federation.login(far, "juliet")
    listening = asyncio.create_task(listen(juliet, count))
    for _ in range(CYCLES):
        romeo = await RawClient.login(near.c2s_tls, "romeo")
        await romeo.enable()
        async with asyncio.TaskGroup() as group:
            group.create_task(send(romeo, juliet.jid, count))
            await asyncio.sleep(moments.uniform(0.3, 0.8))
            near.kill()
        romeo.abort()
        near.start()
        await asyncio.sleep(0.2)
        assert not count.acknowledged - set(count.arrived)
        assert count.arrived == sorted(set(count.arrived)), "out of order, or twice"
    assert len(count.acknowledged) > CYCLES * BURST, f"too few to tell: {len(count.acknowledged)}"
    juliet.abort()
    await listening
