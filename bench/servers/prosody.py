"""Prosody, tuned: generational garbage collection and a block list cache larger than the number of accounts.

With the defaults of both it costs four times as much a message: nobody is helped by beating that.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.accounts import DOMAIN, ITERATIONS, SALT, Accounts
from bench.servers.server import Server

_TEMPLATE = Path(__file__).parents[1] / "peers" / "prosody.cfg.lua.in"


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
            "DOMAIN": DOMAIN,
            "CERTIFICATE": str(certificate),
            "KEY": str(key),
        }
        text = _TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (self.folder / "prosody.cfg.lua").write_text(text)

    def fill(self, accounts: Accounts) -> None:
        """Write the files of Prosody's `internal` store: Lua tables, one file an account and kind."""
        stored = self.folder / "data" / DOMAIN.replace(".", "%2e")
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
                    f'\t["{contact}@{DOMAIN}"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};\n'
                    for contact in contacts
                )
                roster = f'return {{\n\t[false] = {{ ["version"] = 1; ["pending"] = {{}}; }};\n{items}}};\n'
                (stored / "roster" / f"{name}.dat").write_text(roster)

    def command(self) -> list[str]:
        return ["prosody", "--config", str(self.folder / "prosody.cfg.lua"), "-F"]
