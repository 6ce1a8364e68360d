"""How fast somebody may be: token buckets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: Ids of stanzas are the clients', and as long as these like; the room remembers none that is longer.
ID_CHARS = 1024
#: Buckets that are kept; whose is dropped may start afresh.
REMEMBERED = 10_000


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


class Buckets(Generic[K]):
    """A bucket for each who does something, so many times a minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[K, Bucket] = {}

    def take(self, key: K, now: float) -> bool:
        """Take one token; false if there is none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= REMEMBERED:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = Bucket(self._per_minute / 60, self._per_minute, now)
        return bucket.take(now)
