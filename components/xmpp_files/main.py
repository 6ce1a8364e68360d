"""The program `xmpp-files`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import click
import structlog

from components.xmpp_files.config import ConfigError, load
from components.xmpp_files.environment import is_supervised
from components.xmpp_files.program import Program
from components.xmpp_files.settings import Config
from components.xmpp_files.storage import StorageError

log = structlog.get_logger(__name__)


@click.command()
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="The settings; files.toml if the server did not start us."
)
@click.option("--check", is_flag=True, help="Only check the settings.")
def main(path: Path | None, check: bool) -> None:
    """Serve file transfer to an XMPP server: HTTP upload and a SOCKS5 proxy.

    Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong settings.
    """
    if path is None and not is_supervised(os.environ):
        path = Path("files.toml")
    try:
        config = load(path)
    except ConfigError as error:
        click.echo(f"xmpp-files: {error}", err=True)
        sys.exit(2)
    if check:
        return
    _configure_log(config.log.level)
    try:
        asyncio.run(_serve(config))
    except (OSError, StorageError) as error:
        click.echo(f"xmpp-files: {error}", err=True)
        sys.exit(1)


async def _serve(config: Config) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    program = Program(config)
    loop.add_signal_handler(signal.SIGHUP, program.reload)
    try:
        addresses = await program.start()
        log.info("started", **addresses)
        with contextlib.suppress(BrokenPipeError):
            await stop.wait()
    finally:
        log.info("stopping")
        await program.stop()


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
