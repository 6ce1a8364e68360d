"""This server, as `xmpp-server run` starts it, with an SQLite store."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bench.accounts import DOMAIN, ITERATIONS, SALT, Accounts
from bench.servers.server import Server

_AT_ONCE = 500  # writes queued before their commits are awaited

_CONFIG = """\
domains = ["{domain}"]
data_dir = "data"
[listen]
c2s = ["127.0.0.1:{port}"]
c2s_tls = []
s2s = []
s2s_tls = []
component = []
http = []
https = []
[tls]
certificate = {certificate}
key = {key}
require = false
[auth]
mechanisms = ["SCRAM-SHA-1", "PLAIN"]
[limits]
connections_per_address = 0
[s2s]
enabled = false
[log]
level = "warning"
"""


class Ours(Server):
    """The server of this repository."""

    name = "ours"
    title = "xmpp-server"

    @classmethod
    def missing(cls) -> str | None:
        if not cls._executable().exists() or find_spec("xmpp_server.app.cli") is None:
            return "xmpp-server is not installed here: make setup"
        return None

    @staticmethod
    def _executable() -> Path:
        return Path(sys.executable).parent / "xmpp-server"

    def version(self) -> str:
        return version("xmpp-server")

    def configure(self, certificate: Path, key: Path) -> None:
        text = _CONFIG.format(
            domain=DOMAIN, port=self.port, certificate=json.dumps(str(certificate)), key=json.dumps(str(key))
        )
        (self.folder / "bench.toml").write_text(text)

    def fill(self, accounts: Accounts) -> None:
        (self.folder / "data").mkdir()
        asyncio.run(self._fill(accounts))

    async def _fill(self, accounts: Accounts) -> None:
        # Imported here: the benchmark of the peers runs without the server's packages, too.
        from xmpp_server.jid import JID
        from xmpp_server.sasl.credentials import ScramKeys
        from xmpp_server.storage.api import AccountRecord, RosterItem, Write
        from xmpp_server.storage.urls import storage_for

        credentials = {"SHA-1": ScramKeys(SALT, ITERATIONS, accounts.stored_key, accounts.server_key)}
        storage = storage_for(f"sqlite:///{self.folder / 'data' / 'xmpp.db'}")
        await storage.open()
        try:
            writes: list[Write[object]] = []
            for name in accounts.names:
                jid = JID.of(name, DOMAIN)
                writes.append(storage.accounts.create(AccountRecord(jid, True, datetime.now(UTC), credentials)))
                for contact in accounts.roster(name):
                    writes.append(storage.rosters.put(jid, RosterItem(JID.of(contact, DOMAIN), subscription="both")))
                if len(writes) >= _AT_ONCE:
                    for write in writes:
                        await write
                    writes.clear()
            for write in writes:
                await write
        finally:
            await storage.close()

    def command(self) -> list[str]:
        return [str(self._executable()), "--config", str(self.folder / "bench.toml"), "run"]
