"""How a component runs as a program: its options, its exit codes, the signals it takes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

import click
import structlog

from components.xmpp_component import logs
from components.xmpp_component.config import ConfigError
from components.xmpp_component.environment import is_supervised

C = TypeVar("C")

log = structlog.get_logger(__name__)

FAILED, WRONG_SETTINGS = 1, 2

config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The settings; ./files.toml or ./archive.toml, after our name, if the server did not start us.",
)
check_option = click.option("--check", is_flag=True, help="Only check the settings.")
#: All programs come in one distribution.
version_option = click.version_option(package_name="xmpp-server")


class Program(Protocol):
    """What runs; `run` calls these in the order of their lines, from within the loop."""

    async def start(self) -> Mapping[str, Sequence[str]]:
        """Open the doors, then connect to the server; return the addresses of the doors by their names."""

    def reload(self) -> None:
        """Read again what can be renewed, such as certificates."""

    async def stop(self) -> None:
        """Leave the server and close everything, whichever was started."""


def settings(name: str, path: Path | None, load: Callable[[Path | None], C]) -> C:
    """Return the settings of the program `xmpp-NAME`, or end it with exit code 2."""
    if path is None and not is_supervised(os.environ):
        path = Path(f"{name}.toml")
    try:
        return load(path)
    except ConfigError as error:
        _end(name, error, WRONG_SETTINGS)


def run(name: str, make: Callable[[], Program], level: logs.Level, failure: type[Exception]) -> None:
    """Run a program until SIGTERM or SIGINT; SIGHUP reloads.

    Args:
        name: For `xmpp-NAME`.
        make: Makes the program, within the loop.
        level: The least severe level that is logged.
        failure: What ends it with one line and exit code 1, as OSError does.

    """
    logs.configure(level)
    try:
        asyncio.run(_serve(make))
    except (OSError, failure) as error:
        _end(name, error, FAILED)


async def _serve(make: Callable[[], Program]) -> None:
    loop = asyncio.get_running_loop()
    program = make()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, program.reload)
    try:
        addresses = await program.start()
        log.info("started", **addresses)
        await stop.wait()
        log.info("stopping")
    finally:
        await program.stop()


def _end(name: str, error: Exception, code: int) -> NoReturn:
    """Say why: as an error in the log of the server, if that has started us, else in one line for people."""
    if is_supervised(os.environ):
        logs.configure("error")
        log.error("failed", reason=str(error))
    else:
        click.echo(f"xmpp-{name}: {error}", err=True)
    sys.exit(code)
