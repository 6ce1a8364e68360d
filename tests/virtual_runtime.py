"""Time and tasks without an event loop: a clock that tests turn, and coroutines that are driven by hand."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

START = datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC)


class _Future(Protocol):
    def done(self) -> bool: ...


class _Task:
    """A coroutine and what it waits for."""

    def __init__(self, coroutine: Coroutine[object, None, object], then: Callable[[], None]) -> None:
        self.coroutine = coroutine
        self.then = then
        self.waits_for: _Future | None = None


class VirtualTimer:
    """A call that is to come."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _Pause:
    """What a sleeping coroutine waits for."""

    def __init__(self) -> None:
        self._over = False

    def end(self) -> None:
        self._over = True

    def done(self) -> bool:
        return self._over

    def __await__(self) -> Generator[object, None, None]:
        yield self


class VirtualRuntime:
    """`core.runtime.Runtime` with a clock of its own; `World.settle` and `World.passes` make it run."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._serial = 0
        self._soon: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._blocked: list[_Task] = []

    def now(self) -> float:
        return self._now

    def utcnow(self) -> datetime:
        return START + timedelta(seconds=self._now - 1000.0)

    def soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def schedule(self, delay_s: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        self._serial += 1
        heapq.heappush(self._timers, (self._now + delay_s, self._serial, timer))
        return timer

    def spawn(self, coroutine: Coroutine[object, None, object], name: str) -> None:
        """Run a coroutine in the next turn. What it raises comes out of `settle`: tests see it."""
        self.soon(lambda: self.start(coroutine, lambda: None))

    def start(self, coroutine: Coroutine[object, None, object], then: Callable[[], None]) -> None:
        """Run a coroutine at once as far as it gets, and call `then` when it has ended."""
        self._step(_Task(coroutine, then))

    def _step(self, task: _Task) -> None:
        while True:
            try:
                waits_for = task.coroutine.send(None)
            except StopIteration:
                task.then()
                return
            if waits_for is None:  # it let others go first
                continue
            task.waits_for = cast(_Future, waits_for)
            if not task.waits_for.done():
                self._blocked.append(task)
                return

    async def sleep(self, delay_s: float) -> None:
        pause = _Pause()
        if delay_s > 0:
            self.schedule(delay_s, pause.end)
        else:
            self.soon(pause.end)
        await pause

    def settle(self) -> None:
        """Run until nothing is left that can run."""
        while True:
            while self._soon:
                self._soon.popleft()()
            ready = [task for task in self._blocked if task.waits_for is not None and task.waits_for.done()]
            if not ready:
                return
            self._blocked = [task for task in self._blocked if task not in ready]
            for task in ready:
                self._step(task)

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen at its time."""
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if not timer.cancelled:
                timer.callback()
                self.settle()
        self._now = end
        self.settle()
