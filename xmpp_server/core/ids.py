"""Identifiers of stanzas, rows and archive entries: they sort by time and cannot be guessed (XEP-0359 §3)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime


class Ids:
    """Makes ids that only grow, also when the clock steps back."""

    __slots__ = ("_last_ms", "_pool", "_serial", "_utcnow")

    def __init__(self, utcnow: Callable[[], datetime]) -> None:
        self._utcnow = utcnow
        self._last_ms = 0
        self._serial = 0
        self._pool = ""

    def new(self) -> str:
        """Return 12 hex digits of milliseconds, 5 of a serial number, 15 of randomness."""
        ms = int(self._utcnow().timestamp() * 1000)
        if ms > self._last_ms:
            self._last_ms = ms
            self._serial = 0
        else:
            self._serial += 1
        if len(self._pool) < 15:
            self._pool = secrets.token_hex(1500)  # one call of the system for many ids
        random, self._pool = self._pool[:15], self._pool[15:]
        return f"{self._last_ms:012x}{self._serial:05x}{random}"
