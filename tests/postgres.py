"""A PostgreSQL of our own for tests, started on a free port; `conftest.py` of those who use it imports the fixture."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from tests.ports import free_ports


@dataclass
class PostgresServer:
    """A PostgreSQL of our own; `restart` and `kill` are its faults."""

    bin: Path
    folder: Path
    port: int
    user: str | None
    process: subprocess.Popen[bytes] | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, *command: str) -> None:
        subprocess.run(
            [self.bin / command[0], *command[1:]], user=self.user, check=True, capture_output=True, cwd=self.folder
        )

    def start(self) -> None:
        command = [self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder, "-F"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-c", "listen_addresses=127.0.0.1"],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(200):
            ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Shut down at once, cutting connections (SIGQUIT: it recovers from its log as after a crash)."""
        assert self.process is not None
        self.process.send_signal(3)
        self.process.wait(20)
        self.process = None

    async def new_database(self) -> str:
        name = f"test_{next(self.numbers)}"
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return self.dsn(name)

    def dsn(self, database: str) -> str:
        return f"postgresql://xmpp@127.0.0.1:{self.port}/{database}"


def _postgres_bin() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    binaries = _postgres_bin()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # PostgreSQL refuses to run as root, and another user cannot enter pytest's own temporary folder.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="xmpp-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    [port] = free_ports(1)
    server = PostgresServer(binaries, folder, port, user)
    try:
        server.run("initdb", "-D", str(folder / "data"), "-U", "xmpp", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.stop()
        shutil.rmtree(folder)
