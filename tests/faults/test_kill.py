"""F1: kill -9 in the middle of a stream of messages. What was acknowledged is safe, and nothing comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import ServerProcess
from tests.raw import CLIENT, SM, ClosedError, RawClient

CYCLES = 20
BURST = 10
RECIPIENTS = ("juliet", "nurse")  # juliet is online, nurse is not
OFFLINE_LIMIT = 100_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    limits = f"[limits]\noffline_messages = {OFFLINE_LIMIT}"
    process = ServerProcess(tmp_path, limits)
    process.start()
    process.add_users("romeo", *RECIPIENTS)
    yield process
    process.kill()


class Ledger:
    """What was sent, what the server took responsibility for, and what arrived, over all cycles."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.received: Counter[int] = Counter()

    @property
    def missing(self) -> set[int]:
        """Acknowledged messages that nobody has received."""
        return self.acknowledged - self.received.keys()

    @property
    def doubled(self) -> list[int]:
        """Messages that arrived more than once."""
        return [index for index, count in self.received.items() if count > 1]

    def receive(self, text: str | None) -> None:
        """Note a message that arrived."""
        if text is not None:
            self.received[int(text)] += 1


async def send(client: RawClient, ledger: Ledger) -> None:
    """Send bursts, each followed by `<r/>`, until the connection breaks; note what is acknowledged."""
    first = ledger.sent
    with contextlib.suppress(ClosedError, ConnectionError):
        while True:
            burst = []
            for _ in range(BURST):
                index = ledger.sent
                to = f"{RECIPIENTS[index % len(RECIPIENTS)]}@localhost"
                burst.append(f"<message to='{to}' type='chat' id='m{index}'><body>{index}</body></message>")
                ledger.sent += 1
            client.send("".join(burst))
            client.request()
            answer = await client.until(lambda element: element.tag == SM + "a")
            ledger.acknowledged |= set(range(first, first + int(answer.get("h", ""))))


async def receive(client: RawClient, ledger: Ledger) -> None:
    """Take messages and acknowledge them when asked, until the connection breaks."""
    with contextlib.suppress(ClosedError, ConnectionError):
        while True:
            element = await client.read(60.0)
            if element.tag == SM + "r":
                client.acknowledge()
            elif element.tag == CLIENT + "message":
                ledger.receive(element.findtext(CLIENT + "body"))


async def collect(server: ServerProcess, user: str, ledger: Ledger) -> None:
    """Log in and take what was stored; the pong that follows a quiet moment ends it."""
    async with await RawClient.login(server.c2s_tls, user, "later") as client:
        client.send("<presence/>")
        wanted = {index for index in ledger.missing if RECIPIENTS[index % len(RECIPIENTS)] == user}
        with contextlib.suppress(TimeoutError):
            while True:
                element = await client.read(5.0 if wanted else 0.1)
                if element.tag == CLIENT + "message":
                    ledger.receive(element.findtext(CLIENT + "body"))
                    wanted.discard(int(element.findtext(CLIENT + "body", "-1")))
        await client.ping()
        await client.close()


async def cycle(server: ServerProcess, ledger: Ledger, moment_s: float) -> None:
    """Let messages flow, kill the server, restart it, and collect what it had stored."""
    receiver = await RawClient.login(server.c2s_tls, RECIPIENTS[0], "live")
    await receiver.enable()
    receiver.send("<presence/>")
    await receiver.until(lambda element: element.tag == CLIENT + "presence" and element.get("type") is None)
    sender = await RawClient.login(server.c2s_tls, "romeo")
    await sender.enable()
    async with asyncio.TaskGroup() as group:
        group.create_task(send(sender, ledger))
        group.create_task(receive(receiver, ledger))
        await asyncio.sleep(moment_s)
        server.kill()
    sender.abort()
    receiver.abort()
    server.start()
    for user in RECIPIENTS:
        await collect(server, user, ledger)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_what_is_acknowledged_survives_a_kill_and_nothing_is_doubled(server: ServerProcess) -> None:
    moments = random.Random(1)
    ledger = Ledger()
    for _ in range(CYCLES):
        await cycle(server, ledger, moments.uniform(0.2, 0.8))
        assert not ledger.missing, f"acknowledged and lost: {sorted(ledger.missing)[:20]}"
        assert not ledger.doubled, f"doubled: {ledger.doubled[:20]}"
    assert len(ledger.acknowledged) > CYCLES * BURST, f"too few to tell: {len(ledger.acknowledged)}"
    assert server.failures() == []
