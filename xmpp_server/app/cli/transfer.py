"""`xmpp-server export FILE` and `import FILE`: all accounts and rooms, in the format of XEP-0227."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from xmpp_server.app.administration import Administration
from xmpp_server.app.cli.context import Context, pass_context

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@FILE
@pass_context
def export(context: Context, file: Path) -> None:
    """Write all accounts and rooms with their data into a new FILE (XEP-0227).

    The server's user must be able to write it. Archives and uploaded files are kept by their own programs.
    """
    path = file.absolute()

    async def offline(administration: Administration) -> object:
        with progress("exported") as tell:
            return await administration.export_to(path, tell)

    result = context.administer("export", offline, None, path=str(path))
    if isinstance(result, dict):
        click.echo(f"exported {result['accounts']} accounts to {file}")


@click.command("import")
@FILE
@pass_context
def import_(context: Context, file: Path) -> None:
    """Read accounts with their data from FILE (XEP-0227); what exists already stays as it is.

    Rooms and what else belongs to no account are read while the server is stopped.
    """
    path = file.absolute()

    async def offline(administration: Administration) -> object:
        with progress("imported") as tell:
            return await administration.import_from(path, tell)

    result = context.administer("import", offline, None, path=str(path))
    if isinstance(result, dict):
        click.echo(f"imported {result['imported']} accounts from {file}")
        for text in result["skipped"]:
            click.echo(f"skipped {text}: it exists already", err=True)
        for text in result["ignored"]:
            click.echo(f"ignored {text}", err=True)


@contextmanager
def progress(verb: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many accounts are done."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(f"{verb} 0 accounts") as status:

        def tell(count: int) -> None:
            status.update(f"{verb} {count} accounts")

        yield tell
