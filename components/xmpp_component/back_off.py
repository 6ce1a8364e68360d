"""How long to wait before connecting again."""

from __future__ import annotations

import random
from collections.abc import Callable

#: A server that cannot be reached may be back at any moment.
FIRST_S = 0.25
LONGEST_S = 15.0
#: One that has refused us will do so again until somebody changes a file.
FIRST_REFUSED_S = 5.0
LONGEST_REFUSED_S = 300.0


class BackOff:
    """Waits that double with each failure, the last half of each by chance: many components must not come at once."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """Take a source of numbers from 0 to 1."""
        self._chance = chance
        self._wait_s = FIRST_S
        self._refused_wait_s = FIRST_REFUSED_S

    def connected(self) -> None:
        """The server has taken us: what follows are new failures."""
        self._wait_s = FIRST_S
        self._refused_wait_s = FIRST_REFUSED_S

    def lost(self) -> float:
        """Return the seconds to wait after the server was not reached, or has gone."""
        wait_s, self._wait_s = self._wait_s, min(LONGEST_S, self._wait_s * 2)
        return self._with_chance(wait_s)

    def refused(self) -> float:
        """Return the seconds to wait after the server has refused us."""
        wait_s, self._refused_wait_s = self._refused_wait_s, min(LONGEST_REFUSED_S, self._refused_wait_s * 2)
        return self._with_chance(wait_s)

    def _with_chance(self, wait_s: float) -> float:
        return wait_s / 2 + wait_s / 2 * self._chance()
