"""What the checks of an installation find, and what several of them ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was looked at, how it is, and what to do."""

    subject: str
    level: Level
    text: str
    remedy: str = ""


def is_local(domain: str) -> bool:
    """Tell whether a domain is of this machine only (RFC 6761 §6.3)."""
    return domain == "localhost" or domain.endswith(".localhost")


def is_loopback(door: str) -> bool:
    """Tell whether a door can be reached from this machine only."""
    return door.startswith(("127.", "[::1]:", "localhost:", "unix:"))
