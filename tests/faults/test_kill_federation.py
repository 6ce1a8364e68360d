"""F1 with another server: what was acknowledged has arrived, or is there after the start, whichever side is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.app.live_server import running
from tests.net.conftest import settle
from tests.peers import ServerProcess
from tests.ports import free_ports
from tests.raw import CLIENT, SM, ClosedError, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S
from xmpp_server.net import s2s_lane

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
    async with running(config, "juliet") as server:
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


FIRST, EVERY_S = 40, 0.005


@pytest.mark.slow
async def test_what_the_server_of_the_recipient_has_acknowledged_survives_its_end(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Between servers, too, an acknowledgement covers what is committed: messages are stored there, or come back."""
    monkeypatch.setattr(s2s_lane, "PROVED_S", 0.0)
    [port] = free_ports(1)
    trust = federation.trusted(tmp_path, authority)
    tls = federation.certificate(tmp_path / "near", authority, "localhost")
    there = ServerProcess(
        tmp_path / "near",
        f'[tls]\ncertificate = "{tls.certificate}"\nkey = "{tls.key}"\n'
        f'[limits]\noffline_messages = 10000\n[s2s]\nverify = "certificate"\ntrust = "{trust}"\n',
        listen='[listen]\nc2s = []\nc2s_tls = ["127.0.0.1:0"]\ns2s_tls = []\ncomponent = []\nhttp = []\nhttps = []\n'
        f's2s = ["127.0.0.1:{port}"]\n',
    )
    request.addfinalizer(there.kill)
    there.start()
    there.add_users("nurse")
    config = federation.settings(
        tmp_path / "far",
        FAR,
        S2S(verify="certificate", trust=trust, routes={"localhost": f"127.0.0.1:{port}"}),
        tls=federation.certificate(tmp_path / "far", authority, FAR),
    )
    async with running(config, "romeo") as server:
        romeo = await federation.login(server, "romeo")
        errors: list[int] = []
        listening = asyncio.create_task(refusals(romeo, errors))
        sent = 0
        for _ in range(3):
            for _ in range(FIRST):
                romeo.send(f"<message to='nurse@localhost' type='chat' id='{sent}'><body>{sent}</body></message>")
                sent += 1
                await asyncio.sleep(EVERY_S)
            there.kill()
            there.start()
            await asyncio.sleep(1.3)  # the back-off
        assert server.federating is not None
        links = server.federating.federation.links
        romeo.send(f"<message to='nurse@localhost' type='chat' id='{sent}'><body>{sent}</body></message>")
        await settle(lambda: any(link.established for link in links) and not any(one.unacknowledged for one in links))
        nurse = await RawClient.login(there.c2s_tls, "nurse")
        nurse.send("<presence/>")
        heard: list[int] = []
        while sent not in heard:
            element = await nurse.until(lambda element: element.tag == CLIENT + "message")
            heard.append(int(str(element.findtext(CLIENT + "body"))))
        first = list(dict.fromkeys(heard))
        assert first == sorted(first), "out of order"
        assert set(range(sent)) <= set(heard) | set(errors)
        assert len(first) > FIRST, "too few to tell"
        await abort_all()
        await listening


async def refusals(romeo: RawClient, errors: list[int]) -> None:
    with contextlib.suppress(ClosedError):
        while True:
            element = await romeo.read(60)
            if element.get("type") == "error":
                errors.append(int(str(element.get("id"))))
