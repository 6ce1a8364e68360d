"""`xmpp-server db …`: the schema of the database."""

from __future__ import annotations

import asyncio

import click

from xmpp_server.app.administration import Administration
from xmpp_server.app.cli.context import FAILED, Context, pass_context
from xmpp_server.app.cli.output import json_option, show_values
from xmpp_server.app.control import ControlError, NotRunningError


@click.group()
def db() -> None:
    """Look at the database's schema, and upgrade it."""


@db.command()
@json_option
@pass_context
@click.pass_context
def status(click_context: click.Context, context: Context, as_json: bool) -> None:
    """Tell the schema's revision; exit code 1 if it is not the one of this version."""
    from xmpp_server.storage.sql.status import schema_status

    try:
        found = asyncio.run(schema_status(context.config.storage_url))
    except ValueError as error:  # memory: has none
        raise ControlError(str(error)) from None
    show_values({"revision": found.revision, "newest": found.head, "verdict": found.verdict}, as_json=as_json)
    if found.verdict != "current":
        click_context.exit(FAILED)


@db.command()
@pass_context
def upgrade(context: Context) -> None:
    """Bring the schema up to date, as the server does at its start."""
    try:
        context.ask("status")
    except NotRunningError:
        context.on_storage(_nothing)
    click.echo("the schema is up to date")


async def _nothing(_: Administration) -> None:
    """Opening a store upgrades it."""
