"""`xmpp-server room …`: group chat rooms."""

from __future__ import annotations

import click

from xmpp_server.app.cli import arguments
from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import json_option, rows_of, show_rows, show_values

COLUMNS = ("jid", "name", "occupants", "public", "persistent", "created_by")


@click.group()
def room() -> None:
    """List, show, create and delete rooms."""


@room.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List all rooms, the hidden ones too."""
    show_rows(rows_of(context.administer("room.list")), COLUMNS, as_json=as_json)


@room.command()
@click.argument("jid", type=arguments.room)
@json_option
@pass_context
def show(context: Context, jid: str, as_json: bool) -> None:
    """Show the room JID: how it is set up, and who is what to it."""
    [facts] = rows_of([context.administer("room.show", jid=jid)])
    show_values(facts, as_json=as_json)


@room.command()
@click.argument("jid", type=arguments.room)
@click.option(
    "--owner", type=arguments.account, required=True, metavar="JID", help="The account that the room will be owned by."
)
@click.option("--name", default="", help="What the room is called.")
@pass_context
def create(context: Context, jid: str, owner: str, name: str) -> None:
    """Create the room JID; it stays when nobody is in it."""
    context.administer("room.create", jid=jid, owner=owner, name=name)
    click.echo(f"created {jid}")


@room.command()
@click.argument("jid", type=arguments.room)
@click.option("--reason", default="", help="What its occupants are told.")
@pass_context
def delete(context: Context, jid: str, reason: str) -> None:
    """Delete the room JID with everything in it."""
    context.administer("room.delete", jid=jid, reason=reason)
    click.echo(f"deleted {jid}")
