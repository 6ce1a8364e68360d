"""The program `xmpp-files`."""

from __future__ import annotations

from pathlib import Path

import click

from components.xmpp_component import run
from components.xmpp_files.config import load
from components.xmpp_files.program import Program
from components.xmpp_files.storage import StorageError


@click.command()
@run.config_option
@run.check_option
@run.version_option
def main(path: Path | None, check: bool) -> None:
    """Serve file transfer to an XMPP server: HTTP upload and a SOCKS5 proxy.

    Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong settings.
    """
    config = run.settings("files", path, load)
    if not check:
        run.run("files", lambda: Program(config), config.log.level, StorageError)
