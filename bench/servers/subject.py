"""What a load is measured on: one server, or two of a kind that talk to each other; CPU time is that of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.accounts import Accounts
from bench.certificates import make_authority, write_certificate
from bench.nameserver import Nameserver
from bench.servers.server import Server
from bench.servers.setting import Federation, Setting

#: One side of a federation and the other.
DOMAINS = ("one.example", "two.example")

MakeServer = Callable[[Path, Setting], Server]


class Subject:
    """Servers of one kind, under one name."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self.name = servers[0].name
        self.title = servers[0].title

    @property
    def port(self) -> int:
        """The door of the first server."""
        return self.servers[0].port

    def start(self) -> None:
        """Start what does not run. Raises ServerError."""
        for server in self.servers:
            if not server.running:
                server.start()

    def stop(self) -> None:
        """End all."""
        for server in self.servers:
            server.stop()

    def pids(self) -> list[int]:
        """Return all processes."""
        return [pid for server in self.servers for pid in server.pids()]


class Pair(Subject):
    """Two servers that find each other by DNS, and believe each other by certificates of one authority."""

    def __init__(self, make: MakeServer, folder: Path, accounts: Accounts) -> None:
        """Prepare both. Raises ServerError."""
        folder.mkdir()
        self._nameserver = Nameserver()
        authority = make_authority(folder / "authority.pem")
        federation = Federation(self._nameserver.port, folder / "authority.pem")
        super().__init__([make(folder / domain, Setting(domain, federation=federation)) for domain in DOMAINS])
        for server in self.servers:
            server.prepare(accounts, *write_certificate(folder, server.setting.domain, authority))
            self._nameserver.add(server.setting.domain, server.s2s_port)

    def stop(self) -> None:
        super().stop()
        self._nameserver.close()
