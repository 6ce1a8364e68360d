"""`xmpp-server user …`: accounts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import click

from xmpp_server.app.administration import Administration
from xmpp_server.app.cli import arguments
from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import Row, json_option, rows_of, show_rows, show_values
from xmpp_server.app.control import NotRunningError
from xmpp_server.sasl.credentials import PasswordError, prepare_password

F = TypeVar("F", bound=Callable[..., object])

DAY_S = 86_400


@click.group()
def user() -> None:
    """Add, change, list and delete accounts, and invite people to make them."""


def password_options(command: F) -> F:
    """Add the ways to give a password."""
    command = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")(command)
    return click.option("--password", metavar="PW", help="The password; others on this machine may see it.")(command)


def the_password(password: str | None, password_stdin: bool) -> str:
    """Return the password that was given, or ask for one on a terminal."""
    if password is not None and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude one another")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif password is None:
        if not sys.stdin.isatty():
            raise click.UsageError("give --password or --password-stdin")
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        prepare_password(password)
    except PasswordError as error:
        raise click.UsageError(f"this cannot be a password: {error}") from None
    return password


@user.command()
@click.argument("jid", type=arguments.account)
@password_options
@pass_context
def add(context: Context, jid: str, password: str | None, password_stdin: bool) -> None:
    """Add the account JID."""
    context.administer("user.add", jid=jid, password=the_password(password, password_stdin))
    click.echo(f"added {jid}")


@user.command()
@click.argument("jid", type=arguments.account)
@password_options
@pass_context
def passwd(context: Context, jid: str, password: str | None, password_stdin: bool) -> None:
    """Change the password of the account JID."""
    context.administer("user.passwd", jid=jid, password=the_password(password, password_stdin))
    click.echo(f"changed the password of {jid}")


@user.command()
@click.argument("jid", type=arguments.account)
@pass_context
def delete(context: Context, jid: str) -> None:
    """Delete the account JID with everything it owns."""
    context.administer("user.delete", jid=jid)
    click.echo(f"deleted {jid}")


@user.command()
@click.argument("jid", type=arguments.account)
@pass_context
def disable(context: Context, jid: str) -> None:
    """Keep the account JID, but let nobody sign in; its sessions end."""
    context.administer("user.disable", jid=jid)
    click.echo(f"disabled {jid}")


@user.command()
@click.argument("jid", type=arguments.account)
@pass_context
def enable(context: Context, jid: str) -> None:
    """Let the account JID sign in again."""
    context.administer("user.enable", jid=jid)
    click.echo(f"enabled {jid}")


@user.command()
@click.argument("jid", type=arguments.account)
@click.argument("right", type=click.Choice(["allow", "deny"]))
@pass_context
def federation(context: Context, jid: str, right: str) -> None:
    """Let the account JID talk to other servers, or cut it off from them in both directions; its sessions end then."""
    context.administer("user.federation", jid=jid, allowed=right == "allow")
    click.echo(f"{jid} {'talks to other servers' if right == 'allow' else 'is cut off from other servers'}")


@user.command("list")
@click.option("--host", type=arguments.domain, help="Only the accounts of this domain.")
@json_option
@pass_context
def list_(context: Context, host: str | None, as_json: bool) -> None:
    """List the accounts."""
    domains = (host,) if host else context.config.domains

    async def offline(administration: Administration) -> list[Row]:
        return [row for domain in domains async for row in administration.accounts(domain)]

    try:
        rows = [row for domain in domains for row in _from_server(context, domain)]
    except NotRunningError:
        rows = context.on_storage(offline)
    show_rows(rows, ("jid", "enabled", "federation", "created"), as_json=as_json)


@user.command()
@click.argument("target", type=arguments.account_or_domain)
@click.option(
    "--by",
    type=arguments.account,
    metavar="JID",
    help="The account that invites: the two become each other's contacts.",
)
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=3650), help="How long it is good.")
@json_option
@pass_context
def invite(context: Context, target: str, by: str | None, days: float | None, as_json: bool) -> None:
    """Invite somebody to make the account TARGET, or any on the domain TARGET; prints the link to give them."""
    result = context.administer("invitation.create", target=target, by=by, valid_s=(days or 0) * DAY_S)
    row = result if isinstance(result, dict) else {}
    if as_json:
        show_values(row, as_json=True)
    else:
        click.echo(row.get("uri"))
        click.echo(f"good for one account, until {row.get('expires')}", err=True)


@user.command()
@json_option
@pass_context
def invitations(context: Context, as_json: bool) -> None:
    """List the invitations that may still be used; the links themselves are not kept."""
    rows = rows_of(context.administer("invitation.list"))
    show_rows(rows, ("id", "host", "purpose", "username", "inviter", "expires"), as_json=as_json)


@user.command()
@click.argument("id_", type=arguments.invitation, metavar="ID")
@pass_context
def revoke(context: Context, id_: str) -> None:
    """Revoke the invitation whose id begins with ID."""
    context.administer("invitation.revoke", id=id_)
    click.echo(f"revoked {id_}")


def _from_server(context: Context, domain: str) -> Iterator[Row]:
    after: object = None
    while page := rows_of(context.ask("user.list", host=domain, after=after)):
        yield from page
        after = page[-1]["jid"]
