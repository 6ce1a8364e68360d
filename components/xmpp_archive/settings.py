"""The configuration as structs; `config/archive.toml` documents every key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from components.xmpp_component import settings
from components.xmpp_component.settings import Log, Monitor, Natural, Positive, Seconds, Table


class Server(settings.Server, frozen=True, kw_only=True):
    """The door, and who comes through it: the domain of the archive, those whose messages it keeps."""

    domain: str = "archive.localhost"
    hosts: tuple[str, ...] = ()


class Rules(Table, frozen=True, kw_only=True):
    """What is worth an entry; hints of the sender's go before all of these (XEP-0334)."""

    headlines: bool = False
    receipts: bool = True
    markers: bool = True


class Preferences(Table, frozen=True, kw_only=True):
    """What holds for users who have not said otherwise (XEP-0441)."""

    default: Literal["always", "never", "roster"] = "always"
    listed_jids: Positive = 1000


class Pages(Table, frozen=True, kw_only=True):
    """How much one answer holds, however much is asked for."""

    default: Positive = 50
    most: Positive = 100
    most_bytes: Annotated[int, Meta(ge=10_000, le=262_144)] = 262_144


class Limit(Table, frozen=True, kw_only=True):
    """For how long and how much one archive is kept; 0 is no limit."""

    days: Natural = 0
    messages: Natural = 0


class Keep(Table, frozen=True, kw_only=True):
    """For how long and how much is kept; 0 is no limit."""

    user_days: Natural = 0
    room_days: Natural = 0
    user_messages: Natural = 0
    room_messages: Natural = 0
    #: Of all users, or all rooms, of one domain together.
    domain_messages: Natural = 0
    purge_interval_s: Seconds = 3600.0
    #: For an account or a room, or for all of a domain, in place of the four limits above.
    only: Mapping[str, Limit] = {}

    def limit(self, jid: str, room: bool) -> Limit:
        """Return what holds for an archive."""
        own = self.only.get(jid) or self.only.get(jid.rpartition("@")[2])
        if own is not None:
            return own
        if room:
            return Limit(days=self.room_days, messages=self.room_messages)
        return Limit(days=self.user_days, messages=self.user_messages)

    @property
    def limits_anything(self) -> bool:
        """Whether there is something to delete at all."""
        by_kind = self.user_days or self.room_days or self.user_messages or self.room_messages
        return bool(by_kind or self.domain_messages or self.only)


class Search(Table, frozen=True, kw_only=True):
    """Full text search (XEP-0431)."""

    enabled: bool = False


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    data_dir: str = "var/archive"
    url: str = ""
    durability: Literal["process", "full"] = "process"
    server: Server = Server()
    rules: Rules = Rules()
    preferences: Preferences = Preferences()
    pages: Pages = Pages()
    keep: Keep = Keep()
    search: Search = Search()
    monitor: Monitor = Monitor()
    log: Log = Log()

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return Path(self.data_dir) / "archive.db"
