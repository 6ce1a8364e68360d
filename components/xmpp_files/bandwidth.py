"""A bandwidth limit: how long to wait after so many bytes."""

from __future__ import annotations


class Bandwidth:
    """A bucket of one second's bytes; `bytes_per_s` 0 is no limit. `now` is in monotonic seconds."""

    def __init__(self, bytes_per_s: int, now: float) -> None:
        self._rate = bytes_per_s
        self._left = float(bytes_per_s)
        self._then = now

    def took(self, amount: int, now: float) -> float:
        """Count bytes that went through; return the seconds to wait before more, 0.0 for none."""
        if not self._rate:
            return 0.0
        self._left = min(self._rate, self._left + (now - self._then) * self._rate) - amount
        self._then = now
        return max(0.0, -self._left / self._rate)
