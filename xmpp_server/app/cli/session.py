"""`xmpp-server session …`: who is signed in."""

from __future__ import annotations

import click

from xmpp_server.app.cli import arguments
from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import json_option, rows_of, show_rows

COLUMNS = ("jid", "state", "peer", "presence", "priority", "resumable", "idle_s", "bound")


@click.group()
def session() -> None:
    """List and end sessions of the running server."""


@session.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the sessions."""
    show_rows(rows_of(context.ask("session.list")), COLUMNS, as_json=as_json)


@session.command()
@click.argument("jid", type=arguments.session)
@pass_context
def kick(context: Context, jid: str) -> None:
    """End the session of a full JID, or all of an account."""
    result = context.ask("session.kick", jid=jid)
    ended = result.get("ended") if isinstance(result, dict) else 0
    click.echo(f"ended {ended} session{'' if ended == 1 else 's'} of {jid}")
