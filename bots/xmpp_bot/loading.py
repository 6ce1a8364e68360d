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
    # Not by its own name: a bot may be called as a module that others import.
    name = f"xmpp_bot_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # type hints of handlers are looked up there
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # its own modules lie beside it
    spec.loader.exec_module(module)
    bots = [value for value in vars(module).values() if isinstance(value, Bot)]
    if len(bots) != 1:
        raise ConfigError(f"{path} defines {len(bots)} bots; one is needed: bot = Bot()")
    return bots[0]
