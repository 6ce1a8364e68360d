"""The configuration of a bot: a TOML file, environment variables over it.

Each key of the top level can be given as `XMPP_BOT_` and its name in capitals: `XMPP_BOT_PASSWORD`. Lists are separated
by commas there. `EXAMPLE` shows all keys.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from xmpp_bot.errors import ConfigError

PREFIX = "XMPP_BOT_"

EXAMPLE = """\
jid = "bot@example.org/bot"       # a fixed resource lets the bot take its session up again
password = "secret"               # or password_file = "/run/credentials/bot"
# server = "192.0.2.7:5222"       # instead of what DNS says
# ca_file = "ca.pem"              # trust these certificate authorities only
# direct_tls = false              # with `server`: TLS from the first byte
nick = "bot"                      # in rooms
prefix = "!"                      # of commands in rooms
status = "Write help to me"
subscriptions = "accept"          # accept, mutual, refuse or ignore who wants to see the bot's presence
owners = ["juliet@example.org"]   # may everything
admins = []
room_roles = true                 # owners, admins and members of a room are so to the bot, there
commands_per_minute = 20          # of one user
catch_up_hours = 24               # what was written to the bot while it was away is answered, unless older
store = "bot.sqlite"              # in the folder of this file; what the bot remembers
log = "text"                      # or "json"

[[rooms]]
jid = "balcony@conference.example.org"
# nick = "bot"
# password = "geheim"
# prefix = "."

[options]                         # the bot's own, as ctx.options
"""


class RoomConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A room to be in."""

    jid: str
    nick: str = ""
    password: str = ""
    prefix: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings; `EXAMPLE` tells what they mean."""

    jid: str
    password: str = ""
    password_file: str = ""
    server: str = ""
    ca_file: str = ""
    direct_tls: bool = False
    nick: str = "bot"
    prefix: str = "!"
    status: str = ""
    subscriptions: Literal["accept", "mutual", "refuse", "ignore"] = "accept"
    owners: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    room_roles: bool = True
    commands_per_minute: int = 20
    catch_up_hours: int = 24
    store: str = "bot.sqlite"
    log: Literal["text", "json"] = "text"
    rooms: tuple[RoomConfig, ...] = ()
    options: dict[str, object] = {}

    def prefix_in(self, room: str) -> str:
        """What commands begin with in a room."""
        return next((one.prefix for one in self.rooms if one.jid == room and one.prefix), self.prefix)

    def nick_in(self, room: str) -> str:
        """The bot's nick in a room."""
        return next((one.nick for one in self.rooms if one.jid == room and one.nick), self.nick)

    @property
    def address(self) -> tuple[str, int] | None:
        """Where to connect to, None for what DNS says."""
        if not self.server:
            return None
        host, _, port = self.server.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"server: “{self.server}” is not HOST:PORT")
        return host.strip("[]"), int(port)


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration; files that it names are relative to its own.

    Raises:
        ConfigError: It cannot be read, or says something that is unknown.

    """
    try:
        values: dict[str, object] = tomllib.loads(path.read_text("utf-8")) if path else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for field in msgspec.structs.fields(Config):
        text = environment.get(PREFIX + field.name.upper())
        if text is not None and field.name not in ("rooms", "options"):
            values[field.name] = text.split(",") if field.name in ("owners", "admins") else text
    rooms = environment.get(f"{PREFIX}ROOMS")
    if rooms:
        values["rooms"] = [{"jid": jid.strip()} for jid in rooms.split(",")]
    folder = path.parent if path else Path()
    for name in ("ca_file", "password_file", "store"):
        if isinstance(name_of_file := values.get(name), str) and name_of_file != ":memory:":
            values[name] = str(folder / name_of_file)
    try:
        config = msgspec.convert(values, Config, strict=False)
        if config.password_file:
            secret = Path(config.password_file).read_text("utf-8").strip()
            config = msgspec.structs.replace(config, password=secret)
    except (OSError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path or 'environment'}: {error}") from error
    if not config.password or "@" not in config.jid:
        raise ConfigError("a bot needs jid (user@domain) and password (or password_file)")
    return config
