"""The program `xmpp-archive`."""

from __future__ import annotations

from pathlib import Path

import click

from components.xmpp_archive.commands import erase, export, purge, trim
from components.xmpp_archive.config import load
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.program import Program
from components.xmpp_archive.settings import Config
from components.xmpp_component import run


@click.group(invoke_without_command=True)
@run.config_option
@run.check_option
@run.version_option
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="For commands: in place of a file.")
@click.pass_context
def main(context: click.Context, path: Path | None, check: bool, data_dir: Path | None) -> None:
    """Keep the messages of an XMPP server, and find them again; without a command, run until stopped.

    Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong settings.
    """
    if data_dir is not None:
        if path is not None or context.invoked_subcommand is None:
            raise click.UsageError("--data-dir is for commands without --config")
        context.obj = Config(data_dir=str(data_dir.absolute()))
        return
    config = run.settings("archive", path, load)
    context.obj = config
    if not check and context.invoked_subcommand is None:
        run.run("archive", lambda: Program(config), config.log.level, ArchiveError)


for _command in (export, erase, trim, purge):
    main.add_command(_command)
