"""The program `xmpp-archive`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path

import click
import structlog

from components.xmpp_archive.commands import erase, export, opened, purge
from components.xmpp_archive.config import ConfigError, load
from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.link import Link
from components.xmpp_archive.service import Service
from components.xmpp_archive.settings import Config
from components.xmpp_archive.store import Store

log = structlog.get_logger(__name__)


@click.group(invoke_without_command=True)
@click.option(
    "--config", "path", type=click.Path(path_type=Path), default="archive.toml", show_default=True, help="The settings."
)
@click.option("--check", is_flag=True, help="Only check the settings.")
@click.pass_context
def main(context: click.Context, path: Path, check: bool) -> None:
    """Keep the messages of an XMPP server, and find them again; without a command, run until stopped.

    Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong settings.
    """
    try:
        config = load(path)
    except ConfigError as error:
        click.echo(f"xmpp-archive: {error}", err=True)
        sys.exit(2)
    context.obj = config
    if check or context.invoked_subcommand is not None:
        return
    _configure_log(config.log.level)
    try:
        asyncio.run(serve(config))
    except (OSError, ArchiveError) as error:
        click.echo(f"xmpp-archive: {error}", err=True)
        sys.exit(1)


for _command in (export, erase, purge):
    main.add_command(_command)


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = opened(config)
    await store.open()
    link = Link(config.server, Service(config, store))
    purging = asyncio.create_task(_purge(config, store), name="purge")
    try:
        link.start()
        log.info("started", database=str(config.database))
        await stop.wait()
    finally:
        log.info("stopping")
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
        await link.stop()
        await store.close()


async def _purge(config: Config, store: Store) -> None:
    keep = config.keep
    if not any((keep.user_days, keep.room_days, keep.user_messages, keep.room_messages)):
        return
    while True:
        try:
            deleted = await store.purge(keep, int(time.time() * 1000))
        except ArchiveError as error:
            log.error("purge-failed", reason=str(error)[:500])
        else:
            log.info("purged", entries=deleted)
        await asyncio.sleep(keep.purge_interval_s)


def _configure_log(level: str) -> None:
    """JSON lines on standard error, text on a terminal; JSON escapes what could move a cursor."""
    number: int = getattr(logging, level.upper())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=True, default=str)
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(sort_keys=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s")
