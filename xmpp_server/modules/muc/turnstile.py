"""A crowd that enters or leaves waits for turns of the loop: after a failure thousands do at once, and others go on."""

from __future__ import annotations

from xmpp_server.core.runtime import Runtime

#: Presences that are written in one turn of the loop, some ten milliseconds of work.
PER_TURN = 4000
#: What also costs something where nobody is told.
LEAST = 10


class Turnstile:
    """Lets so many pass, measured by the presences to be written for them, and then no more in this turn."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._left = PER_TURN
        self._waiting = 0

    def admits(self, presences: int) -> bool:
        """Let somebody pass; false if they have to wait for their `turn`."""
        if self._waiting or self._left <= 0:
            return False
        self._spend(presences)
        return True

    async def turn(self, presences: int) -> None:
        """Wait until somebody may pass; who waits longest is first."""
        self._waiting += 1
        try:
            while self._left <= 0:
                await self._runtime.sleep(0)
            self._spend(presences)
        finally:
            self._waiting -= 1

    def _spend(self, presences: int) -> None:
        if self._left == PER_TURN:
            self._runtime.soon(self._refill)
        self._left -= LEAST + presences

    def _refill(self) -> None:
        self._left = PER_TURN
