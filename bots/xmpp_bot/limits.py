"""Rate limits: so many commands a minute for each user, with a burst of as many."""

from __future__ import annotations

from collections import OrderedDict

#: Users that are remembered; those who wrote longest ago are forgotten.
USERS = 10_000


class RateLimit:
    """A token bucket for each user; `now` is in seconds of any clock."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, user: str, now: float) -> bool:
        """Count a command; False if it is too much."""
        full = float(self._per_minute)
        left, before = self._buckets.pop(user, (full, now))
        left = min(full, left + max(0.0, now - before) * full / 60)
        allowed = left >= 1
        self._buckets[user] = (left - 1 if allowed else left, now)
        if len(self._buckets) > USERS:
            self._buckets.popitem(last=False)
        return allowed
