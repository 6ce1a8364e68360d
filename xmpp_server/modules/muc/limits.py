"""How fast somebody may be: token buckets."""

from __future__ import annotations


class Bucket:
    """Lets `rate` things a second pass, and `burst` at once; a rate of 0 lets everything pass."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token; false if there is none."""
        if not self._rate:
            return True
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True
