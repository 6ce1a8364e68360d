"""A new bot: the program, its test, its configuration and its systemd unit."""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterator
from pathlib import Path

from xmpp_bot.config import EXAMPLE
from xmpp_bot.errors import ConfigError

_BOT = '''\
"""@NAME@: a bot."""

from xmpp_bot import Bot, Context

bot = Bot("@NAME@")


@bot.command("greet")
async def greet(ctx: Context, name: str = "") -> str:
    """Greet somebody, or you."""
    return f"Hello, {name or ctx.nick}!"
'''

_TEST = '''\
"""The bot without a server."""

import asyncio
from pathlib import Path

from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

bot = load_bot(Path(__file__).with_name("@NAME@.py"))


def test_it_greets() -> None:
    async def play() -> None:
        async with Stage(bot) as stage:
            romeo = stage.chat("romeo@example.org")
            assert await romeo.says("greet") == ["Hello, romeo!"]
            assert await romeo.says("greet Juliet") == ["Hello, Juliet!"]

    asyncio.run(play())
'''

_UNIT = """\
[Unit]
Description=XMPP bot @NAME@
After=network-online.target
Wants=network-online.target

[Service]
# The configuration holds a password: it is for root, and the bot gets a copy.
LoadCredential=@NAME@.toml:/etc/@NAME@.toml
ExecStart=/usr/local/bin/xmpp-bot run /opt/@NAME@/@NAME@.py --config %d/@NAME@.toml
Environment=XMPP_BOT_STORE=/var/lib/@NAME@/bot.sqlite
StateDirectory=@NAME@
DynamicUser=yes
Restart=on-failure
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
CapabilityBoundingSet=

[Install]
WantedBy=multi-user.target
"""


def scaffold(name: str, folder: Path) -> Iterator[Path]:
    """Write the files of a new bot; those that are there already stay, with an error.

    Raises:
        ConfigError: The name is none, or one of the files exists.

    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(f"“{name}” cannot be the name of a Python module")
    texts = {
        f"{name}.py": _BOT,
        f"test_{name}.py": _TEST,
        f"{name}.toml": EXAMPLE,
        f"{name}.service": _UNIT,
    }
    for file in texts:
        if (folder / file).exists():
            raise ConfigError(f"{folder / file} exists")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        path = folder / file
        # The configuration is to hold a password.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if file.endswith(".toml") else 0o644)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(text.replace("@NAME@", name))
        yield path
