"""A terminal that a test types into and reads from: tmux with a server of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence

from tests.peers import need

COLUMNS = 200
ROWS = 50
LOOK_EVERY_S = 0.1
TIMEOUT_S = 15.0


class Terminal:
    """One window with one program in it."""

    def __init__(self, tmux: str, env: Mapping[str, str]) -> None:
        self._base = [tmux, "-L", f"xmpp-test-{secrets.token_hex(6)}", "-f", "/dev/null"]
        self._env = dict(env)

    def start(self, command: Sequence[str]) -> None:
        """Start the program."""
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("new-session", "-d", *size, shlex.join(command))

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    @property
    def screen(self) -> str:
        """What is to be seen."""
        return self._tmux("capture-pane", "-p", "-J")

    async def shows(self, text: str, timeout_s: float = TIMEOUT_S) -> str:
        """Wait for a text on the screen; return the screen."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while text not in (screen := self.screen):
            assert loop.time() < deadline, f"{text!r} is not to be seen:\n{screen}"
            await asyncio.sleep(LOOK_EVERY_S)
        return screen

    def stop(self) -> None:
        """End the program and the terminal."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._base, *arguments], env=self._env, check=True, capture_output=True, text=True, timeout=10
        )
        return done.stdout


@contextlib.asynccontextmanager
async def terminal(env: Mapping[str, str], *command: str) -> AsyncIterator[Terminal]:
    """A terminal in which a program runs; both are gone at the end."""
    window = Terminal(need("tmux", "tmux"), env)
    window.start(command)
    try:
        yield window
    finally:
        window.stop()
