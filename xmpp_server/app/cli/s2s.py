"""`xmpp-server s2s …`: connections with other servers."""

from __future__ import annotations

import click

from xmpp_server.app.cli import arguments
from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import json_option, rows_of, show_rows

COLUMNS = ("direction", "local", "remote", "state", "method", "tls", "peer", "queued", "age_s", "idle_s")


@click.group()
def s2s() -> None:
    """List and end connections with other servers."""


@s2s.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the connections, and the servers that stanzas wait for."""
    show_rows(rows_of(context.ask("s2s.list")), COLUMNS, as_json=as_json)


@s2s.command()
@click.argument("domain", type=arguments.domain, required=False)
@pass_context
def reset(context: Context, domain: str | None) -> None:
    """Close the connections with a domain, or all, and forget what went wrong: the next stanza tries again."""
    result = context.ask("s2s.reset", domain=domain)
    closed = result.get("closed") if isinstance(result, dict) else 0
    click.echo(f"closed {closed} connection{'' if closed == 1 else 's'}")
