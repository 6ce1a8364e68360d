"""This server, as `xmpp-server run` starts it, with an SQLite store."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bench.accounts import ITERATIONS, SALT, Accounts
from bench.servers.server import Server

_AT_ONCE = 500  # writes queued before their commits are awaited

_CONFIG = """\
domains = ["{domain}"]
data_dir = "data"
[listen]
c2s = ["127.0.0.1:{port}"]
c2s_tls = []
s2s = [{s2s}]
s2s_tls = []
component = [{component}]
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
[modules.muc]
messages_per_occupant_s = 0
messages_per_room_s = 0
[log]
level = "warning"
{more}"""
_ALONE = """\
[s2s]
enabled = false
"""
_FEDERATION = """\
[s2s]
trust = {authority}
bytes_per_s = 0
stanzas_per_s = 0
[s2s.dns]
nameservers = ["127.0.0.1:{nameserver}"]
"""
_ARCHIVE = """\
[[components]]
domains = ["archive.{domain}"]
run = ["xmpp-archive", "--config", "archive.toml"]
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
        setting = self.setting
        more = _ALONE
        if setting.federation:
            more = _FEDERATION.format(
                authority=json.dumps(str(setting.federation.authority)), nameserver=setting.federation.nameserver_port
            )
        if setting.archive:
            more += _ARCHIVE.format(domain=setting.domain)
            (self.folder / "archive.toml").write_text('data_dir = "archive"\n[log]\nlevel = "warning"\n')
        text = _CONFIG.format(
            domain=setting.domain,
            port=self.port,
            s2s=f'"127.0.0.1:{self.s2s_port}"' if setting.federation else "",
            component='"127.0.0.1:0"' if setting.archive else "",
            certificate=json.dumps(str(certificate)),
            key=json.dumps(str(key)),
            more=more,
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

        domain = self.setting.domain
        credentials = {"SHA-1": ScramKeys(SALT, ITERATIONS, accounts.stored_key, accounts.server_key)}
        storage = storage_for(f"sqlite:///{self.folder / 'data' / 'xmpp.db'}")
        await storage.open()
        try:
            writes: list[Write[object]] = []
            for name in accounts.names:
                jid = JID.of(name, domain)
                writes.append(storage.accounts.create(AccountRecord(jid, True, datetime.now(UTC), credentials)))
                for contact in accounts.roster(name):
                    writes.append(storage.rosters.put(jid, RosterItem(JID.of(contact, domain), subscription="both")))
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

    def archive_rows(self) -> tuple[Path, str]:
        return self.folder / "archive" / "archive.db", "entries"
