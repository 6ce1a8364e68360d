"""Prosody, tuned: generational garbage collection and a block list cache larger than the number of accounts.

With the defaults of both it costs four times as much a message: nobody is helped by beating that.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.accounts import ITERATIONS, SALT, Accounts
from bench.servers.server import Server

_TEMPLATE = Path(__file__).parents[1] / "peers" / "prosody.cfg.lua.in"
_S2S_MODULES = '"s2s"; "dialback"; "s2s_auth_certs"; "s2s_bidi";'
_FEDERATION = """\
s2s_require_encryption = true
unbound = {{
	resolvconf = false;
	forward = "127.0.0.1@{nameserver}";
	options = {{ ["do-not-query-localhost:"] = "no"; }};
}}
"""
_ARCHIVE = """\
storage = {{ archive = "sql" }}
sql = {{ driver = "SQLite3", database = "{file}" }}
default_archive_policy = true
archive_expires_after = "never"
"""


class Prosody(Server):
    """A Prosody of the system's packages."""

    name = "prosody"
    title = "Prosody"

    @classmethod
    def missing(cls) -> str | None:
        if not shutil.which("prosody"):
            return "Prosody is not installed: make peers, or apt-get install prosody lua-event"
        return None

    def version(self) -> str:
        package = subprocess.run(
            ["dpkg-query", "-W", "-f=${Version}", "prosody"], capture_output=True, text=True, check=False
        )
        return package.stdout.strip() or "unknown"

    def configure(self, certificate: Path, key: Path) -> None:
        values = {
            "DIR": str(self.folder),
            "PORT": str(self.port),
            "DOMAIN": self.setting.domain,
            "S2S": "",
            "MODULES": "",
            "DISABLED": '"s2s"',
            "MORE": "",
            "TRUST": "",
            "CERTIFICATE": str(certificate),
            "KEY": str(key),
        }
        federation = self.setting.federation
        if federation:
            values |= {"S2S": str(self.s2s_port), "MODULES": _S2S_MODULES, "DISABLED": ""}
            values["TRUST"] = f', cafile = "{federation.authority}", capath = false'
            values["MORE"] = _FEDERATION.format(nameserver=federation.nameserver_port)
        if self.setting.archive:
            values["MODULES"] += '"mam";'
            values["MORE"] += _ARCHIVE.format(file=self.folder / "archive.sqlite")
        text = _TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (self.folder / "prosody.cfg.lua").write_text(text)

    def fill(self, accounts: Accounts) -> None:
        """Write the files of Prosody's `internal` store: Lua tables, one file an account and kind."""
        domain = self.setting.domain
        stored = self.folder / "data" / domain.replace(".", "%2e")
        (stored / "accounts").mkdir(parents=True)
        (stored / "roster").mkdir()
        account = (
            "return {\n"
            f'\t["iteration_count"] = {ITERATIONS};\n\t["salt"] = "{SALT.decode()}";\n'
            f'\t["stored_key"] = "{accounts.stored_key.hex()}";\n\t["server_key"] = "{accounts.server_key.hex()}";\n'
            "};\n"
        )
        for name in accounts.names:
            (stored / "accounts" / f"{name}.dat").write_text(account)
            contacts = accounts.roster(name)
            if contacts:
                items = "".join(
                    f'\t["{contact}@{domain}"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};\n'
                    for contact in contacts
                )
                roster = f'return {{\n\t[false] = {{ ["version"] = 1; ["pending"] = {{}}; }};\n{items}}};\n'
                (stored / "roster" / f"{name}.dat").write_text(roster)

    def command(self) -> list[str]:
        return ["prosody", "--config", str(self.folder / "prosody.cfg.lua"), "-F"]

    def archive_rows(self) -> tuple[Path, str]:
        return self.folder / "archive.sqlite", "prosodyarchive"
