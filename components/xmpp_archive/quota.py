"""What must go where the archives of one domain hold too much together: the oldest, whosever it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

#: Entries are counted by so many digits of the time in their id: by steps of 65.5 seconds.
DIGITS = 8
_STEP_BITS = 16  # the time has 12 digits


class Ages:
    """How many entries a domain has, by their age."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, counts: Iterable[tuple[str, int]]) -> None:
        """Add those of one archive: the first `DIGITS` of ids, and how many begin so."""
        self._counts.update(dict(counts))

    def bound_ms(self, most: int) -> int | None:
        """Return the time before which all must go, so that no more than `most` are left; None if none must."""
        surplus = self._counts.total() - most
        bound = None
        for digits in sorted(self._counts):
            if surplus <= 0:
                break
            surplus -= self._counts[digits]
            bound = (int(digits, 16) + 1) << _STEP_BITS
        return bound
