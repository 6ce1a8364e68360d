"""The command line: `xmpp-server [--config FILE] COMMAND`.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the server is not running.
"""

from __future__ import annotations

from pathlib import Path

import click

from xmpp_server import __version__
from xmpp_server.app.cli.check import check
from xmpp_server.app.cli.component import component
from xmpp_server.app.cli.context import Commands, Context
from xmpp_server.app.cli.db import db
from xmpp_server.app.cli.module import module
from xmpp_server.app.cli.room import room
from xmpp_server.app.cli.run import run
from xmpp_server.app.cli.s2s import s2s
from xmpp_server.app.cli.session import session
from xmpp_server.app.cli.status import status
from xmpp_server.app.cli.tls import reload, tls
from xmpp_server.app.cli.transfer import export, import_
from xmpp_server.app.cli.user import user

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    envvar="XMPP_SERVER_CONFIG",
    help="The configuration file; without one, localhost is served from ./var.",
)
@click.version_option(__version__, prog_name="xmpp-server")
@click.pass_context
def main(click_context: click.Context, path: Path | None) -> None:
    """Run and administer an XMPP server."""
    click_context.obj = Context(path)


for command in (run, check, status, reload, tls, user, room, session, s2s, component, module, db, export, import_):
    main.add_command(command)
