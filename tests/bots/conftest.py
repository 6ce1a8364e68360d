"""One real server for all tests of bots, bots as processes of their own, and people who write to them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.slix import PLUGINS, SlixClient
from tests.logged_process import LoggedProcess
from tests.peers import DOMAIN, PASSWORD, ServerProcess

XMPP_BOT = Path(sys.executable).with_name("xmpp-bot")
EXAMPLES = Path(__file__).parents[2] / "bots" / "examples"
ACCOUNTS = 90
#: For what another process does; others may be at work on the machine.
START_TIMEOUT_S = 30.0

NewPerson = Callable[..., Awaitable[SlixClient]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    users = (f"user{number}" for number in range(ACCOUNTS))
    with ServerProcess(tmp_path_factory.mktemp("server")).serving(*users) as process:
        yield process


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return iter(range(ACCOUNTS))


@pytest.fixture
def names(numbers: Iterator[int]) -> Iterator[str]:
    """Accounts that nobody has used before."""
    return (f"user{number}" for number in numbers)


@pytest.fixture
async def person(server: ServerProcess) -> AsyncIterator[NewPerson]:
    """Log in as somebody: `await person(name)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def new(name: str, *plugins: str) -> SlixClient:
            client = SlixClient(name, plugins=(*PLUGINS, *plugins))
            stack.push_async_callback(client.offline)
            return await client.online(server.c2s)

        yield new


class BotProcess(LoggedProcess):
    """`xmpp-bot run` as a user would start it."""

    _runs = itertools.count()

    def __init__(self, server: ServerProcess, folder: Path, name: str, file: Path, config: str = "") -> None:
        super().__init__(folder / "bot.log")
        self.jid = f"{name}@{DOMAIN}"
        #: Lines in the log that are no complaint.
        self.expected: set[str] = set()
        self.folder = folder
        self._file = file
        self._config = folder / "bot.toml"
        host, port = server.c2s
        (certificate,) = (path for path in server.data.rglob("*.pem") if "BEGIN CERT" in path.read_text())
        self._config.write_text(
            f'jid = "{self.jid}/bot"\npassword = "{PASSWORD}"\nserver = "{host}:{port}"\nca_file = "{certificate}"\n'
            f'log = "json"\nstore = "bot.sqlite"\ncommands_per_minute = 1000\n{config}'
        )

    def configure(self, **values: str) -> None:
        """Change keys of the configuration."""
        text = self._config.read_text()
        for key, value in values.items():
            text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', text, flags=re.MULTILINE)
        self._config.write_text(text)

    def count(self, event: str) -> int:
        """Count events by name."""
        return sum(one["event"] == event for one in self.log)

    def launch(self) -> None:
        """Start."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(XMPP_BOT), "run", str(self._file), "--config", str(self._config)],
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    async def start(self) -> BotProcess:
        """Start, and wait until it is online."""
        before = self.count("online")
        self.launch()
        await until(lambda: self.count("online") > before, self.log_file.read_text)
        return self


class Gate:
    """A door before the server, which a test opens and shuts: what goes through it is lost when it shuts."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._door: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> str:
        """Let through; return the address, always the same."""
        self._door = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._door.sockets[0].getsockname()[1]
        return f"127.0.0.1:{self._port}"

    async def close(self) -> None:
        """Shut, and cut what is through."""
        if self._door is not None:
            self._door.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(*self._server.c2s)
        self._writers |= {writer, outer}
        with contextlib.suppress(OSError):
            await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def gate(server: ServerProcess) -> AsyncIterator[Gate]:
    gate = Gate(server)
    yield gate
    await gate.close()


async def until(holds: Callable[[], bool], report: Callable[[], object], timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait for what another process does."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():  # noqa: ASYNC110 - another process tells by its log
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(report()) from None


NewBot = Callable[..., BotProcess]


@pytest.fixture
def new_bot(server: ServerProcess, tmp_path: Path) -> Iterator[NewBot]:
    """Make a bot of a file: `await new_bot(name, file).start()`; it must end without complaints."""
    made: list[BotProcess] = []

    def new(name: str, file: Path, config: str = "") -> BotProcess:
        folder = tmp_path / name
        folder.mkdir()
        made.append(BotProcess(server, folder, name, file, config))
        return made[-1]

    yield new
    for bot in made:
        bot.kill()
    for bot in made:
        odd = [one for one in bot.log if one.get("level") == "error" or "level" not in one]
        assert [one for one in odd if one["event"] not in bot.expected] == []
