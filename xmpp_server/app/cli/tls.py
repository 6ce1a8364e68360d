"""`xmpp-server tls …`: certificates, and `xmpp-server reload`, which puts new ones in force."""

from __future__ import annotations

import asyncio

import click

from xmpp_server.app.cli.context import FAILED, Context, pass_context
from xmpp_server.app.cli.output import Row, json_option, rows_of, show_rows
from xmpp_server.app.control import ControlError, NotRunningError
from xmpp_server.app.lock import DataLock


@click.group()
def tls() -> None:
    """List certificates, and have them renewed by their CA."""


@tls.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the certificates that the running server shows, the default one first."""
    show_rows(rows_of(context.ask("tls.list")), ("names", "until", "days", "issuer", "file"), as_json=as_json)


@tls.command()
@click.option("--force", is_flag=True, help="Also those that are not due.")
@json_option
@pass_context
@click.pass_context
def renew(click_context: click.Context, context: Context, force: bool, as_json: bool) -> None:
    """Have the certificates of [tls.acme] that are due renewed now. Exit code 1 if one could not be had."""
    try:
        rows = rows_of(context.ask("tls.renew", timeout_s=None, force=force))
    except NotRunningError:
        rows = _offline(context, force)
    show_rows(rows, ("state", "names", "file", "error"), as_json=as_json)
    if any(row["state"] == "failed" for row in rows):
        click_context.exit(FAILED)


def _offline(context: Context, force: bool) -> list[Row]:
    from xmpp_server.app.acme.renewal import RenewalError, job_for, run
    from xmpp_server.app.live_certificates import renewal_rows

    with DataLock(context.config.data_path):
        try:
            return list(renewal_rows(asyncio.run(run(job_for(context.config, force=force)))))
        except RenewalError as error:
            raise ControlError(str(error)) from None


@click.command()
@pass_context
def reload(context: Context) -> None:
    """Let the running server read its configuration and certificates again; exit code 1 if they are wrong."""
    result = context.ask("reload")
    waiting = result.get("waiting") if isinstance(result, dict) else None
    click.echo("reloaded")
    if isinstance(waiting, list) and waiting:
        click.echo(f"a restart is needed for changes of {', '.join(map(str, waiting))}", err=True)
