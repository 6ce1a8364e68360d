"""Real sockets on loopback, real TLS peers of the standard library, certificates of a throw-away authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.federated_peers import DnsServer
from xmpp_server.app.server import Server
from xmpp_server.core.iq import IqRequest, To
from xmpp_server.net.certificates import KeyPair, load_key_pair
from xmpp_server.net.connection import Connection
from xmpp_server.net.loop_io import LoopIO
from xmpp_server.net.tls import TlsServer
from xmpp_server.stanzas.iq import IqType


class Recorder:
    """A handler that keeps what it was told; `changed` lets a test wait for it."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.events: list[str] = []
        self.data = b""
        self.error: Exception | None = None
        self.changed = asyncio.Event()
        self.on_received: Callable[[bytes], None] | None = None
        self.on_eof: Callable[[], None] | None = None
        self.on_overflow: Callable[[], None] | None = None

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    def connected(self, connection: Connection) -> None:
        self.connection = connection
        self._note("connected")

    def received(self, data: bytes) -> None:
        self.data += data
        self._note("received")
        if self.on_received is not None:
            self.on_received(data)

    def tls_established(self) -> None:
        self._note("tls")

    def eof(self) -> None:
        self._note("eof")
        if self.on_eof is not None:
            self.on_eof()
        elif self.connection is not None:
            self.connection.close()

    def overflow(self) -> None:
        self._note("overflow")
        if self.on_overflow is not None:
            self.on_overflow()

    def lost(self, error: Exception | None) -> None:
        self.error = error
        self._note("lost")

    @property
    def link(self) -> Connection:
        assert self.connection is not None
        return self.connection

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_event(self, event: str) -> None:
        await self.until(lambda: event in self.events)


async def settle(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so that nobody announces."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


Serve = Callable[..., Awaitable[tuple[Recorder, int]]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server for one connection; gives its recorder and port."""
    servers: list[asyncio.Server] = []
    recorders: list[Recorder] = []
    io = LoopIO(asyncio.get_running_loop())

    async def start(*, tls: TlsServer | None = None, limit_bytes: int = 1 << 20) -> tuple[Recorder, int]:
        recorder = Recorder()
        server = await io.loop.create_server(
            lambda: Connection(io, recorder, tls=tls, limit_bytes=limit_bytes), "127.0.0.1", 0
        )
        servers.append(server)
        recorders.append(recorder)
        return recorder, server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
    for recorder in recorders:
        if recorder.connection is not None and "lost" not in recorder.events:
            recorder.connection.abort()
            await recorder.until_event("lost")


class Clock:
    """Monotonic seconds that a test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def names() -> Iterator[DnsServer]:
    """A nameserver."""
    server = DnsServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whom both sides believe, where a test says so."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="session")
def issue(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a chain with its key for some names into a file."""

    def issue_file(*names: str) -> Path:
        path = tmp_path_factory.mktemp("certificate") / "pair.pem"
        leaf = authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        leaf.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    return issue_file


@pytest.fixture(scope="session")
def pair(issue: Callable[..., Path]) -> KeyPair:
    return load_key_pair(issue("example.org"))


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Slow:
    """A request to the server that is answered when the test wants."""

    REQUEST = "<iq type='set' id='slow' to='localhost'><slow xmlns='urn:example:slow'/></iq>"

    def __init__(self, server: Server) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        server.hosts["localhost"].on_iq(IqType.SET, To.SERVER, "urn:example:slow slow", self.answer)

    async def answer(self, request: IqRequest) -> None:
        self.asked.set()
        await self.go.wait()
