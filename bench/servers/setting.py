"""What a server under test is set up for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.accounts import DOMAIN


@dataclass(frozen=True, slots=True)
class Federation:
    """Where a server finds the others: a nameserver on 127.0.0.1, and whose certificates count."""

    nameserver_port: int
    authority: Path


@dataclass(frozen=True, slots=True)
class Setting:
    """The domain, and what is on besides what every server under test has."""

    domain: str = DOMAIN
    #: Each message between users is kept for both, in SQLite (XEP-0313).
    archive: bool = False
    federation: Federation | None = None


PLAIN = Setting()
