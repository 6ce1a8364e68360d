"""`xmpp-server status`."""

from __future__ import annotations

import click

from xmpp_server.app.cli.context import NOT_RUNNING, Context, pass_context
from xmpp_server.app.cli.output import json_option, show_values
from xmpp_server.app.control import NotRunningError


@click.command()
@json_option
@pass_context
@click.pass_context
def status(click_context: click.Context, context: Context, as_json: bool) -> None:
    """Tell whether the server is up, with its sessions, links and version. Exit code 3 if it is down."""
    try:
        result = context.ask("status")
    except NotRunningError:
        show_values({"running": False}, as_json=as_json)
        click_context.exit(NOT_RUNNING)
    if isinstance(result, dict):
        show_values(result, as_json=as_json)
