"""What the server tells the process that gets certificates, and what it hears of it: JSON both ways."""

from __future__ import annotations

import msgspec


class Item(msgspec.Struct, frozen=True):
    """One certificate: its file, names that it must have, and names that it has if DNS knows them."""

    path: str
    names: tuple[str, ...]
    wanted: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """What to do: look at each certificate, and renew those that are due, or all with `force`."""

    directory: str
    contact: tuple[str, ...]
    ca: str
    folder: str
    http: tuple[str, ...]
    nameservers: tuple[str, ...]
    items: tuple[Item, ...]
    force: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """How it went with one certificate.

    `renew_at` is when it is due next (seconds since the epoch), as far as that is known. `error` is empty unless it
    was due and could not be had.
    """

    path: str
    names: tuple[str, ...]
    issued: bool = False
    error: str = ""
    renew_at: float | None = None


class Report(msgspec.Struct, frozen=True):
    """How it went with all of them."""

    outcomes: tuple[Outcome, ...] = ()


class Tried(msgspec.Struct, frozen=True):
    """What is remembered of one certificate: where it came from, and what was wrong since."""

    directory: str = ""
    tried_at: float = 0.0
    error: str = ""
    failures: int = 0
