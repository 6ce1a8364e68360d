"""What the fault tests share: a bystander who must not notice, and a look at the server's log and memory."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.peers import Address, ServerProcess
from tests.raw import RawClient, abort_all

BYSTANDER = "bystander"
LATENCY_S = 1.0
RSS_SLACK_BYTES = 20 << 20
CALM_S = 10.0


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()


class Bystander:
    """A user in a thread of his own who pings the server all the time, and remembers the longest wait."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.ready = threading.Event()
        self._over = threading.Event()
        self.longest_s = 0.0
        self.pongs = 0
        self.failure: Exception | None = None

    def live(self) -> None:
        """Ping until `stop`; to be run in a thread."""
        asyncio.run(self._live())

    def stop(self) -> None:
        """Ask him to end."""
        self._over.set()

    async def _live(self) -> None:
        try:
            async with await RawClient.login(self._address, BYSTANDER) as client:
                self.ready.set()
                while not self._over.is_set():
                    self.longest_s = max(self.longest_s, await client.ping(60.0))
                    self.pongs += 1
                    await asyncio.sleep(0.05)
                await client.close()
        except Exception as error:  # told by the test in its own thread
            self.failure = error
            self.ready.set()


@contextlib.contextmanager
def bystander(server: ServerProcess) -> Iterator[Bystander]:
    """Hold that meanwhile nobody else notices: pongs in time, no exception in the log, memory given back."""
    one = Bystander(server.c2s_tls)
    thread = threading.Thread(target=one.live, daemon=True)
    thread.start()
    assert one.ready.wait(30.0)
    before = server.rss_bytes
    yield one
    grown = server.rss_bytes - before
    deadline = time.monotonic() + CALM_S
    while grown > RSS_SLACK_BYTES and time.monotonic() < deadline:
        time.sleep(0.1)
        grown = server.rss_bytes - before
    one.stop()
    thread.join(30.0)
    assert one.failure is None, repr(one.failure)
    assert one.pongs > 0
    assert one.longest_s < LATENCY_S, f"the bystander waited {one.longest_s:.2f} s"
    assert server.failures() == []
    assert grown < RSS_SLACK_BYTES, f"{grown >> 20} MiB were not given back"
