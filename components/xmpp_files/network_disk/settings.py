"""`[disk]` of the configuration."""

from __future__ import annotations

from components.xmpp_component.settings import Natural, Positive, Seconds, Table


class DiskSettings(Table, frozen=True, kw_only=True):
    """The network disk; `rooms` are services whose rooms have one; `share_s` 0 is for ever."""

    enabled: bool = True
    rooms: tuple[str, ...] = ("conference.{domain}",)
    entries: Positive = 20_000
    page_entries: Positive = 100
    login_timeout_s: Positive = 300
    session_s: Positive = 43_200
    share_s: Natural = 0
    messages_per_hour: Natural = 30
    check_interval_s: Seconds = 3600.0
