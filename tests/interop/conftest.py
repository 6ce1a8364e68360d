"""One real server for all interop tests, users of their own for each test, and the clients they log in with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import trustme

from tests.federated_peers import DnsServer
from tests.interop.aio import AioPeer
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import abort_all

PAIRS = 40

NewSlix = Callable[..., Awaitable[SlixClient]]
NewAio = Callable[..., Awaitable[AioPeer]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    """A nameserver that the servers ask for each other."""
    server = DnsServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")).serving() as process:
        yield process


@pytest.fixture(scope="session")
def pairs(server: ServerProcess) -> Iterator[tuple[str, str]]:
    """Pairs of accounts, made in one go as that is quicker."""
    made = [(f"romeo{number}", f"juliet{number}") for number in range(PAIRS)]
    server.add_users(*(name for pair in made for name in pair))
    return iter(made)


@pytest.fixture
def users(pairs: Iterator[tuple[str, str]]) -> tuple[str, str]:
    """Two accounts that nobody has used before."""
    return next(pairs)


@pytest.fixture
async def slix(server: ServerProcess) -> AsyncIterator[NewSlix]:
    """Log in with slixmpp: `await slix(user, resource)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def new(user: str, resource: str = "slix", *, available: bool = True) -> SlixClient:
            client = SlixClient(user, resource)
            stack.push_async_callback(client.offline)
            return await client.online(server.c2s, available=available)

        yield new


@pytest.fixture
async def aio(server: ServerProcess) -> AsyncIterator[NewAio]:
    """Log in with aioxmpp: `await aio(user, resource)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def new(user: str, resource: str = "aio") -> AioPeer:
            peer = await AioPeer.online(user, server.c2s, resource)
            stack.push_async_callback(peer.offline)
            return peer

        yield new


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()
