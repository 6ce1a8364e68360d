"""Commands on one archive, with the program running or not: export, erase, trim, purge."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from components.xmpp_archive.answers import result
from components.xmpp_archive.batch import Erasure, stamp
from components.xmpp_archive.databases import database_for
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.preferences import Prefs
from components.xmpp_archive.query import Query
from components.xmpp_archive.settings import Config
from components.xmpp_archive.store import Row, Store

T = TypeVar("T")

_PAGE = 500


def opened(config: Config) -> Store:
    """Return the store of a configuration, still closed."""
    full, search = config.durability == "full", config.search.enabled
    return Store(database_for(config.url, config.database, full=full, search=search), Prefs(config.preferences.default))


def _with_store(config: Config, work: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        store = opened(config)
        try:
            await store.open()
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (ArchiveError, OSError) as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("jid")
@click.option("--format", "form", type=click.Choice(["jsonl", "xml"]), default="jsonl", show_default=True)
@click.pass_obj
def export(config: Config, jid: str, form: str) -> None:
    """Write the archive of an account or room: JSON lines, or the <archive/> of XEP-0227."""

    async def work(store: Store) -> None:
        if form == "xml":
            click.echo("<archive xmlns='urn:xmpp:pie:0#mam'>")
        async for row in _all(store, jid):
            entry = {"id": row.id, "stamp": stamp(row.stamp_ms), "stanza": row.stanza}
            click.echo(result(row, None) if form == "xml" else json.dumps(entry, ensure_ascii=False))
        if form == "xml":
            click.echo("</archive>")

    _with_store(config, work)


@click.command()
@click.argument("jid")
@click.confirmation_option(prompt="All entries and the preferences are lost. Go on?")
@click.pass_obj
def erase(config: Config, jid: str) -> None:
    """Delete the archive of an account or room."""

    async def work(store: Store) -> None:
        await store.write([Erasure(jid)])

    _with_store(config, work)


@click.command()
@click.argument("jid")
@click.option("--before", type=click.DateTime(), help="Delete what is older than this time (UTC).")
@click.option("--keep", type=click.IntRange(1), help="Delete all but so many, the oldest first.")
@click.pass_obj
def trim(config: Config, jid: str, before: datetime | None, keep: int | None) -> None:
    """Delete what is old in the archive of an account or room."""
    if before is None and keep is None:
        raise click.UsageError("One of --before and --keep is needed")
    oldest_ms = None if before is None else int(before.replace(tzinfo=UTC).timestamp() * 1000)
    count = _with_store(config, lambda store: store.trim(jid, oldest_ms, keep or 0))
    click.echo(f"{count} entries deleted")


@click.command()
@click.pass_obj
def purge(config: Config) -> None:
    """Delete now what [keep] says; the running program does it by itself from time to time."""
    count = _with_store(config, lambda store: store.purge(config.keep, int(time.time() * 1000)))
    click.echo(f"{count} entries deleted")


async def _all(store: Store, jid: str) -> AsyncIterator[Row]:
    last: str | None = None
    while True:
        page = await store.page(jid, Query(after=last, most=_PAGE))
        for row in page.rows:
            yield row
        if page.complete:
            return
        last = page.rows[-1].id
