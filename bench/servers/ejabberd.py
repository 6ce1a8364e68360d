"""ejabberd, tuned: schedulers that do not wait busily. Started with `erl` directly: no service, no distribution."""

from __future__ import annotations

import base64
import glob
import os
import re
import shutil
import time
from pathlib import Path

from bench.accounts import ITERATIONS, SALT, Accounts
from bench.servers.server import Server, ServerError

_TEMPLATE = Path(__file__).parents[1] / "peers" / "ejabberd.yml.in"
_FILL_TIMEOUT_S = 300.0
_S2S_DOOR = """\
  -
    port: {port}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
    backlog: 1024
"""
#: Names are asked for at our nameserver, and nowhere else.
_INETRC = '{{lookup, [dns]}}.\n{{resolv_conf, ""}}.\n{{hosts_file, ""}}.\n{{nameserver, {{127,0,0,1}}, {port}}}.\n'
_ARCHIVE = """\
  mod_mam:
    default: always
    assume_mam_usage: true
    db_type: sql
"""


class Ejabberd(Server):
    """An ejabberd of the system's packages."""

    name = "ejabberd"
    title = "ejabberd"
    many_cores = True

    @classmethod
    def missing(cls) -> str | None:
        if not shutil.which("erl") or not cls._application():
            return "ejabberd is not installed: make peers, or apt-get install ejabberd"
        return None

    @staticmethod
    def _application() -> str | None:
        """Return the folder of the Erlang application."""
        found = [path for path in glob.glob("/usr/lib/*/ejabberd-*") if os.path.exists(f"{path}/ebin/ejabberd.app")]
        return max(found, default=None)

    def version(self) -> str:
        text = Path(f"{self._application()}/ebin/ejabberd.app").read_text()
        found = re.search(r'{vsn,\s*"([^"]+)"}', text)
        return found[1] if found else "unknown"

    def configure(self, certificate: Path, key: Path) -> None:
        both = self.folder / "certificate.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        federation = self.setting.federation
        values = {
            "CERTIFICATE": str(both),
            "PORT": str(self.port),
            "DOMAIN": self.setting.domain,
            "TOP": "",
            "LISTEN": "",
            "MODULES": "",
        }
        if federation:
            values["TOP"] = f's2s_use_starttls: required\nca_file: "{federation.authority}"\n'
            values["LISTEN"] = _S2S_DOOR.format(port=self.s2s_port)
            values["MODULES"] = "  mod_s2s_dialback: {}\n"
            (self.folder / "inetrc").write_text(_INETRC.format(port=federation.nameserver_port))
        if self.setting.archive:
            values["TOP"] += f'sql_type: sqlite\nsql_database: "{self.folder}/archive.sqlite"\n'
            values["MODULES"] += _ARCHIVE
        text = _TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (self.folder / "ejabberd.yml").write_text(text)

    def fill(self, accounts: Accounts) -> None:
        """Import the rosters in XEP-0227 form, then put the SCRAM keys into the store behind `ejabberd_auth`."""
        domain = self.setting.domain
        users: list[str] = []
        for name in filter(accounts.roster, accounts.names):
            items = "".join(f"<item jid='{one}@{domain}' subscription='both'/>" for one in accounts.roster(name))
            users.append(f"<user name='{name}' password='-'><query xmlns='jabber:iq:roster'>{items}</query></user>")
        (self.folder / "rosters.xml").write_text(
            f"<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'><host jid='{domain}'>"
            + "".join(users)
            + "</host></server-data>"
        )
        (self.folder / "names").write_text("\n".join(accounts.names))
        keys = [base64.b64encode(part).decode() for part in (accounts.stored_key, accounts.server_key, SALT)]
        scram = "{{scram, {}, sha, {}}}".format(", ".join(f'<<"{key}">>' for key in keys), ITERATIONS)
        done = self.folder / "filled"
        self.spawn(
            "-eval",
            f'ok = ejabberd_piefxis:import_file(<<"{self.folder}/rosters.xml">>), '
            f'{{ok, Names}} = file:read_file("{self.folder}/names"), '
            f'[ejabberd_auth_mnesia:set_password(Name, <<"{domain}">>, {scram}) '
            '|| Name <- binary:split(Names, <<"\\n">>, [global])], '
            f'ok = file:write_file("{done}", <<>>), init:stop().',
        )
        began = time.perf_counter()
        while self.running:
            if time.perf_counter() - began > _FILL_TIMEOUT_S:
                self.stop()
                raise ServerError(f"ejabberd stored no accounts in {_FILL_TIMEOUT_S:.0f} s: {self.last_output()}")
            time.sleep(0.05)
        self.stop()
        if not done.exists():
            raise ServerError(f"ejabberd refused the accounts: {self.last_output()}")

    def command(self) -> list[str]:
        return [
            *("erl", "-noinput", "+K", "true", "+P", "250000", "+Q", "65536"),
            *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
            *("-mnesia", "dir", f'"{self.folder}/data"'),
            *("-s", "ejabberd"),
        ]

    def environment(self) -> dict[str, str]:
        names = {"ERL_INETRC": str(self.folder / "inetrc")} if self.setting.federation else {}
        return names | {
            "ERL_LIBS": str(Path(self._application() or "/").parent),
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_MAX_PORTS": "65536",
            "ERL_MAX_ETS_TABLES": "1400",
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(self.folder),
        }

    def archive_rows(self) -> tuple[Path, str]:
        return self.folder / "archive.sqlite", "archive"

    def last_output(self) -> str:
        log = self.folder / "ejabberd.log"
        return super().last_output() + (log.read_text(errors="replace")[-1500:] if log.exists() else "")
