"""A kit for XMPP bots over slixmpp: what every bot needs, so that a useful one is twenty lines.

`docs/writing-a-bot.md` is the tutorial. Nothing here knows any server: bots work with all.
"""

from xmpp_bot.arguments import Rest
from xmpp_bot.bot import Bot
from xmpp_bot.config import Config, RoomConfig
from xmpp_bot.context import Context
from xmpp_bot.errors import BotError, ConfigError, Refusal
from xmpp_bot.messages import Join, Kind, Message, Outgoing, Reaction
from xmpp_bot.roles import Role

__all__ = [
    "Bot",
    "BotError",
    "Config",
    "ConfigError",
    "Context",
    "Join",
    "Kind",
    "Message",
    "Outgoing",
    "Reaction",
    "Refusal",
    "Rest",
    "Role",
    "RoomConfig",
]
