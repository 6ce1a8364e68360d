"""Bots from files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from xmpp_bot.bot import Bot
from xmpp_bot.errors import ConfigError


def load_bot(path: Path) -> Bot:
    """Run a file and return the bot that it defines.

    Raises:
        ConfigError: There is no such file, or not one bot in it.

    """
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # type hints of handlers are looked up there
    spec.loader.exec_module(module)
    bots = [value for value in vars(module).values() if isinstance(value, Bot)]
    if len(bots) != 1:
        raise ConfigError(f"{path} defines {len(bots)} bots; one is needed: bot = Bot()")
    return bots[0]
