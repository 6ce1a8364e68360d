"""`xmpp-server component …`: external components (XEP-0114)."""

from __future__ import annotations

import click

from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import json_option, rows_of, show_rows

COLUMNS = ("domains", "state", "connections", "queued", "open_requests", "process", "pid", "restarts")


@click.group()
def component() -> None:
    """Tell about external components."""


@component.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the components of the configuration: whether they are connected, and the processes of those we run."""
    show_rows(rows_of(context.ask("component.list")), COLUMNS, as_json=as_json)
