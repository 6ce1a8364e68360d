"""The real server and the real archive, as two processes."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.logged_process import LoggedProcess
from tests.peers import ROOT, ServerProcess

SECRET = "open sesame"
START_TIMEOUT_S = 20.0


class ArchiveProcess(LoggedProcess):
    """`xmpp-archive` on one data folder."""

    def __init__(self, folder: Path, port: int, url: str = "") -> None:
        super().__init__(folder / "archive.log")
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "data" / "archive.db"
        self._config = folder / "archive.toml"
        self._config.write_text(
            f'data_dir = "data"\nurl = "{url}"\n[server]\naddress = "127.0.0.1:{port}"\ndomain = "archive.localhost"\n'
            f'secret = "{SECRET}"\n'
        )

    def start(self) -> None:
        """Start it, and wait until it is connected."""
        before = self._connections()
        command = "from components.xmpp_archive.main import main; main()"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command, "--config", str(self._config)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.wait_connected(before)

    def wait_connected(self, before: int) -> None:
        """Wait for one connection more."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._connections() <= before:
            assert time.monotonic() < deadline, self.log_file.read_text()[-4000:]
            time.sleep(0.02)

    def _connections(self) -> int:
        return self.log_file.read_text().count('"connected"') if self.log_file.exists() else 0

    def bodies(self, owner: str) -> list[str]:
        """The texts of all entries of an archive, in their order."""
        with sqlite3.connect(self.database) as database:
            rows = database.execute(
                "SELECT stanza FROM entries JOIN owners ON owners.number = owner WHERE jid = ? ORDER BY id", (owner,)
            ).fetchall()
        database.close()
        return [stanza.partition("<body>")[2].partition("</body>")[0] for (stanza,) in rows]

    @property
    def failed(self) -> bool:
        """Whether the log tells of a mistake."""
        return "Traceback" in self.log_file.read_text()


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given: it is used again and again."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@contextlib.contextmanager
def connected(server: ServerProcess, archive: ArchiveProcess, *users: str) -> Iterator[None]:
    """Run both, with these accounts; at the end both are killed, unless they have stopped."""
    try:
        server.start()
        archive.start()
        server.add_users(*users)
        yield
    finally:
        archive.kill()
        server.kill()


def pair(folder: Path, more: str = "", archive_url: str = "") -> tuple[ServerProcess, ArchiveProcess]:
    """Configure a server and its archive; neither runs yet."""
    port = free_port()
    config = (
        f'[[components]]\ndomains = ["archive.localhost"]\nsecret = "{SECRET}"\n[modules.archive]\nenabled = true\n'
    )
    server = ServerProcess(folder / "server", config + more, component=port)
    return server, ArchiveProcess(folder / "archive", port, archive_url)
