"""How much a peer may send: bytes and stanzas in a second, with a reserve for bursts (token buckets)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """What may be sent in the long run; 0 is no limit. What was saved in `burst_s` may be sent at once."""

    bytes_per_s: int = 0
    stanzas_per_s: int = 0
    burst_s: float = 10.0

    def __bool__(self) -> bool:
        return bool(self.bytes_per_s or self.stanzas_per_s)


class Allowance:
    """What is left of one peer's. It may be overdrawn: then nothing more is taken until that is made up for."""

    __slots__ = ("_at", "_bytes", "_rate", "_stanzas")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._bytes = rate.bytes_per_s * rate.burst_s
        self._stanzas = rate.stanzas_per_s * rate.burst_s
        self._at = now

    @property
    def overdrawn(self) -> bool:
        """Whether more was used than there was, when some was used last."""
        return self._bytes < 0 or self._stanzas < 0

    def take(self, size: int, stanzas: int, now: float) -> float:
        """Use some; return the seconds until there is any left again, 0.0 if there is."""
        rate = self._rate
        saved_s = now - self._at
        self._at = now
        wait_s = 0.0
        if rate.bytes_per_s:
            full = rate.bytes_per_s * rate.burst_s
            self._bytes = min(full, self._bytes + saved_s * rate.bytes_per_s) - size
            if self._bytes < 0:
                wait_s = -self._bytes / rate.bytes_per_s
        if rate.stanzas_per_s:
            full = rate.stanzas_per_s * rate.burst_s
            self._stanzas = min(full, self._stanzas + saved_s * rate.stanzas_per_s) - stanzas
            if self._stanzas < 0:
                wait_s = max(wait_s, -self._stanzas / rate.stanzas_per_s)
        return wait_s


class Allowances:
    """Those of many peers, each shared by all its connections; a new connection does not begin with a full one."""

    def __init__(self, rate: Rate, now: Callable[[], float], keep: int) -> None:
        """Prepare.

        Args:
            rate: Of each peer.
            now: Monotonic seconds.
            keep: How many peers are remembered; those that were asked for the longest time ago are forgotten.

        """
        self._rate = rate
        self._now = now
        self._keep = keep
        self._peers: OrderedDict[str, Allowance] = OrderedDict()

    def of(self, peer: str) -> Allowance | None:
        """Return a peer's, None without a limit; the caller holds it as long as there is a connection."""
        if not self._rate:
            return None
        allowance = self._peers.get(peer)
        if allowance is None:
            allowance = self._peers[peer] = Allowance(self._rate, self._now())
            if len(self._peers) > self._keep:
                self._peers.popitem(last=False)
        self._peers.move_to_end(peer)
        return allowance
