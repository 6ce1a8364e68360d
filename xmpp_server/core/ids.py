"""Identifiers of stanzas, rows and archive entries: they sort by time and cannot be guessed (XEP-0359 §3)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

#: Random parts made at once.
POOL = 100


class Ids:
    """Makes ids that only grow: they count on from the wall clock at the start, by the monotonic one."""

    __slots__ = ("_last_ms", "_now", "_offset_ms", "_pool", "_serial", "_time")

    def __init__(self, now: Callable[[], float], utcnow: datetime) -> None:
        self._now = now
        self._offset_ms = (utcnow.timestamp() - now()) * 1000
        self._last_ms = 0
        self._time = ""
        self._serial = 0
        self._pool: list[str] = []

    def new(self) -> str:
        """Return 12 hex digits of milliseconds, 5 of a serial number, 15 of randomness."""
        ms = int(self._now() * 1000 + self._offset_ms)
        if ms > self._last_ms:
            self._last_ms = ms
            self._time = f"{ms:012x}"
            self._serial = 0
        else:
            self._serial += 1
        if not self._pool:  # one call of the system for many ids
            random = secrets.token_hex(15 * POOL)
            self._pool = [random[at : at + 15] for at in range(0, 15 * POOL, 15)]
        return f"{self._time}{self._serial:05x}{self._pool.pop()}"
