"""What the kernel asks of the world around it: time, tasks, randomness."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Protocol


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Do not call; harmless after the call."""
        ...


class Runtime(Protocol):
    """The event loop, as far as the kernel knows; tests have one with a clock of their own."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    def utcnow(self) -> datetime:
        """Return the wall clock, aware, UTC."""
        ...

    def soon(self, callback: Callable[[], None]) -> None:
        """Call in the loop's next turn."""
        ...

    def schedule(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call after a delay, which is kept to within a second."""
        ...

    def spawn(self, coroutine: Coroutine[object, object, None], name: str) -> None:
        """Run a coroutine as a task of its own; a failure is logged."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait; with 0 seconds, until everybody else has had a turn."""
        ...
