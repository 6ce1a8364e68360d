"""Drives `aioxmpp_peer.py`: an aioxmpp client in the process and the environment that it needs."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers import DOMAIN, PASSWORD, ROOT, Address

PYTHON = ROOT / ".venv-aioxmpp" / "bin" / "python"
SCRIPT = Path(__file__).with_name("aioxmpp_peer.py")
TIMEOUT_S = 15.0

Event = dict[str, object]


class AioPeer:
    """One resource of a user."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def online(cls, user: str, address: Address, resource: str = "aio") -> AioPeer:
        """Log in and become available; skips the test where aioxmpp is not installed."""
        if not PYTHON.exists():
            pytest.skip("aioxmpp is not installed: make peers")
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(SCRIPT),
            f"{user}@{DOMAIN}/{resource}",
            PASSWORD,
            *map(str, address),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        peer = cls(process)
        await peer.event("online")
        return peer

    async def do(self, command: str, **arguments: str) -> object:
        """Give a command and return its result."""
        assert self._process.stdin is not None
        before = len(self.events)
        self._process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
        done = await self.wait(lambda event: event["event"] in ("done", "failed"), since=before)
        assert done["event"] == "done", done
        return done["result"]

    async def event(self, name: str, since: int = 0, **values: object) -> Event:
        """Wait for an event with these values."""
        return await self.wait(lambda event: event["event"] == name and values.items() <= event.items(), since=since)

    async def wait(self, wanted: Callable[[Event], bool], since: int = 0) -> Event:
        """Return the first event that is wanted, now or within the time."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    for event in self.events[since:]:
                        if wanted(event):
                            return event
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"it has not happened, but {self.events[since:]}") from None

    def texts(self) -> list[object]:
        """The bodies of the messages that came, in their order."""
        return [event["text"] for event in self.events if event["event"] == "message"]

    async def offline(self) -> None:
        """End the stream in good order, and the process whatever it does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.events.append(json.loads(line))
            self._changed.set()
