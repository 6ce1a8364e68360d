"""What can be wrong with what a server delivers, counted each under its own heading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Faults(Counter[str]):
    """Counts by kind: lost, duplicated, reordered, wrong-from, misrouted, altered, errors, stale, unarchived, and
    dropped-sessions.
    """

    def text(self) -> str:
        """Name what happened, "" if nothing did."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.items()) if count)


class Sequence:
    """What came of a numbered series 0, 1, 2, ... that one sender sends to one receiver."""

    __slots__ = ("_missing", "expected")

    def __init__(self) -> None:
        self.expected = 0
        self._missing: set[int] | None = None  # numbers skipped, None while there were none

    def receive(self, number: int, faults: Faults) -> bool:
        """Note a number; False if it came before."""
        if number == self.expected:
            self.expected += 1
            return True
        if number > self.expected:
            if self._missing is None:
                self._missing = set()
            self._missing.update(range(self.expected, number))
            self.expected = number + 1
            return True
        if self._missing and number in self._missing:
            self._missing.discard(number)
            faults["reordered"] += 1
            return True
        faults["duplicated"] += 1
        return False

    def lost(self, sent: int) -> int:
        """How many of the `sent` numbers have not come."""
        return sent - self.expected + len(self._missing or ())

    def give_up(self, sent: int) -> None:
        """Count nothing before `sent` as missing any more."""
        self.expected = sent
        self._missing = None


def lost_in_total(series: Iterable[tuple[Sequence, int]]) -> int:
    """Add up what has not come of each sequence, given how many were sent on it."""
    return sum(sequence.lost(sent) for sequence, sent in series)
