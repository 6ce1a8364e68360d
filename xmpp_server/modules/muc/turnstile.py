"""A crowd that enters or leaves waits for turns of the loop: after a failure thousands do at once, and others go on."""

from __future__ import annotations

from collections import deque

from xmpp_server.core.runtime import Runtime

#: Presences that are written in one turn of the loop, some ten milliseconds of work.
PER_TURN = 4000
#: What also costs something where nobody is told.
LEAST = 10
#: So many look in each turn whether it is theirs; those behind them only now and then.
NEAR, FAR_S = 100, 0.1


class Turnstile:
    """Lets so many pass, measured by the presences to be written for them, and then no more in this turn."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._left = PER_TURN
        #: The tickets of those who wait, in their order.
        self._line: deque[int] = deque()
        self._last = 0

    def admits(self, presences: int) -> bool:
        """Let somebody pass; false if they have to wait for their `turn`."""
        if self._line or self._left <= 0:
            return False
        self._spend(presences)
        return True

    async def turn(self, presences: int) -> None:
        """Wait until somebody may pass; who waits longest is first."""
        self._last += 1
        ticket = self._last
        self._line.append(ticket)
        try:
            while self._line[0] != ticket or self._left <= 0:
                await self._runtime.sleep(0 if ticket - self._line[0] < NEAR else FAR_S)
            self._spend(presences)
        finally:
            self._line.remove(ticket)

    def _spend(self, presences: int) -> None:
        if self._left == PER_TURN:
            self._runtime.soon(self._refill)
        self._left -= LEAST + presences

    def _refill(self) -> None:
        self._left = PER_TURN
