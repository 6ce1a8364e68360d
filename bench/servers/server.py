"""A server under test: a process tree on loopback with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from bench import procfs
from bench.accounts import Accounts
from bench.servers.setting import PLAIN, Setting

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class ServerError(Exception):
    """A server could not be prepared or started; the text has the end of its output."""


class Server(ABC):
    """Configured and filled once by `prepare`, started and stopped as often as is wanted."""

    name: str
    title: str
    #: Whether it uses more than one core for itself; if not it is kept off the generator's.
    many_cores = False

    def __init__(self, folder: Path, cores: set[int], setting: Setting = PLAIN) -> None:
        self.folder = folder
        self.cores = cores
        self.setting = setting
        self.port = 0
        #: The door for other servers; opened only where they federate.
        self.s2s_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    # --- what each server tells

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Tell what to install, None if all is there."""

    @abstractmethod
    def version(self) -> str:
        """Return the version."""

    @abstractmethod
    def configure(self, certificate: Path, key: Path) -> None:
        """Write the configuration for `self.port` into `self.folder`."""

    @abstractmethod
    def fill(self, accounts: Accounts) -> None:
        """Store the accounts."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""

    @abstractmethod
    def archive_rows(self) -> tuple[Path, str]:
        """Return the SQLite file of the archive, and the table with a row for each message and user."""

    def environment(self) -> dict[str, str]:
        """Return what the command needs in its environment besides ours."""
        return {}

    # --- the same for all

    def prepare(self, accounts: Accounts, certificate: Path, key: Path) -> None:
        """Make the folder ready for `start`; raises ServerError."""
        self.folder.mkdir(parents=True)
        self.port, self.s2s_port = free_port(), free_port()
        self.configure(certificate, key)
        self.fill(accounts)

    def start(self) -> float:
        """Start the server; return the milliseconds until its port was open. Raises ServerError."""
        began = time.perf_counter()
        self.spawn()
        while not port_is_open(self.port):
            self.check_alive(began)
            time.sleep(0.005)
        return (time.perf_counter() - began) * 1e3

    def spawn(self, *more: str) -> None:
        """Start the command with further arguments, on the server's cores."""
        ours = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cores)  # inherited; set before the first thread of the server exists
        try:
            with (self.folder / "output.log").open("ab") as output:
                self._process = subprocess.Popen(
                    [*self.command(), *more],
                    cwd=self.folder,
                    env={**os.environ, **self.environment()},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            os.sched_setaffinity(0, ours)

    def check_alive(self, began: float) -> None:
        """Raise ServerError if the process ended, or did not open its port in time."""
        assert self._process is not None
        code = self._process.poll()
        if code is None and time.perf_counter() - began < START_TIMEOUT_S:
            return
        what = f"ended with code {code}" if code is not None else f"opened no port in {START_TIMEOUT_S:.0f} s"
        self.stop()
        raise ServerError(f"{self.title} {what}: {self.last_output()}")

    def last_output(self) -> str:
        """Return the end of what the server printed."""
        path = self.folder / "output.log"
        return path.read_text(errors="replace")[-1500:].strip() if path.exists() else ""

    def stop(self) -> None:
        """End the server, gently at first."""
        process = self._process
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: whatever is left of it
        process.wait()
        self._process = None

    @property
    def running(self) -> bool:
        """Tell whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def archived(self) -> int:
        """Count what the archive has."""
        path, table = self.archive_rows()
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def pids(self) -> list[int]:
        """Return all processes of the server."""
        assert self._process is not None
        return procfs.process_tree(self._process.pid)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
