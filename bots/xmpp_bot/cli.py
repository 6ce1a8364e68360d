"""The command `xmpp-bot`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
import structlog

from xmpp_bot.bot import Bot
from xmpp_bot.client import Client
from xmpp_bot.config import EXAMPLE, Config, load
from xmpp_bot.errors import BotError
from xmpp_bot.loading import load_bot
from xmpp_bot.logs import set_up_logs
from xmpp_bot.scaffold import scaffold


@click.group()
@click.version_option(package_name="xmpp-server")
def main() -> None:
    """Run XMPP bots, and begin new ones."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Else FILE with .toml, if there is one.")
def run(file: Path, config_file: Path | None) -> None:
    """Run the bot that a Python FILE defines, until SIGTERM or Ctrl-C."""
    default = file.with_suffix(".toml")
    try:
        bot = load_bot(file)
        config = load(config_file or (default if default.exists() else None))
        set_up_logs(config.log)
        asyncio.run(serve(bot, config))
    except BotError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where to make it; else here.")
def new(name: str, folder: Path) -> None:
    """Begin a bot: NAME.py, its test, its configuration and a systemd unit."""
    try:
        for path in scaffold(name, folder):
            click.echo(path)
    except BotError as error:
        raise click.ClickException(str(error)) from error


@main.command("config")
def show_config() -> None:
    """Print a configuration with all keys."""
    click.echo(EXAMPLE, nl=False)


async def serve(bot: Bot, config: Config) -> None:
    """Run a bot until a signal ends it.

    Raises:
        LoginError: The server refuses the password.

    """
    client = Client(bot, config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, client.end)
    structlog.get_logger("xmpp_bot").info("starting", bot=bot.name, jid=config.jid)
    await client.run()
