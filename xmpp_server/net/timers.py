"""Timeouts of ten thousand sessions on one timer of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

import structlog

#: Timers never fire early, and at most this much late.
RESOLUTION_S = 0.1
#: Callbacks called in one turn of the loop; the rest of those due wait for the next turns.
_BATCH = 256

_log = structlog.get_logger(__name__)


class Timer:
    """A scheduled call, made by `TimerWheel.schedule`."""

    __slots__ = ("_callback", "_slot", "_wheel", "deadline")

    def __init__(self, wheel: TimerWheel, deadline: float, callback: Callable[[], None]) -> None:
        self._wheel = wheel
        self._callback: Callable[[], None] | None = callback
        #: The number of the slot where the wheel looks at this timer next.
        self._slot = -1
        #: When it is due, in the loop's time.
        self.deadline = deadline

    @property
    def active(self) -> bool:
        """Whether it has neither fired nor been cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        """Make sure that it never fires; any number of times."""
        self._callback = None

    def reschedule(self, deadline: float) -> None:
        """Move the deadline; later costs nothing, so it may be done for each stanza. No effect once it fired."""
        if self._callback is None:
            return
        self.deadline = deadline
        self._wheel.refile(self)


class TimerWheel:
    """Timers in slots of `RESOLUTION_S`; the loop is woken for slots that hold any, never for idle ones.

    A timer that was put off or cancelled stays where it is until its slot comes round, and is filed anew, or
    forgotten, then.
    """

    __slots__ = ("_due", "_handle", "_loop", "_order", "_resolution_s", "_slots", "_wake_slot")

    def __init__(self, loop: asyncio.AbstractEventLoop, resolution_s: float = RESOLUTION_S) -> None:
        self._loop = loop
        self._resolution_s = resolution_s
        self._slots: dict[int, list[Timer]] = {}
        #: The numbers of the slots that exist, as a heap.
        self._order: list[int] = []
        #: Timers of past slots that this turn has not come to yet.
        self._due: list[Timer] = []
        self._handle: asyncio.Handle | None = None
        self._wake_slot = -1

    def schedule(self, deadline: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once the loop's time has reached `deadline`; from the loop, never from here."""
        timer = Timer(self, deadline, callback)
        self._file(timer)
        return timer

    def close(self) -> None:
        """Forget all timers."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._slots.clear()
        self._order.clear()
        self._due.clear()

    def refile(self, timer: Timer) -> None:
        """Follow a moved deadline; from `Timer.reschedule`."""
        if self._slot_of(timer.deadline) < timer._slot:
            self._file(timer)

    def _slot_of(self, deadline: float) -> int:
        return int(deadline / self._resolution_s) + 1

    def _file(self, timer: Timer) -> None:
        slot = self._slot_of(timer.deadline)
        timer._slot = slot
        timers = self._slots.get(slot)
        if timers is not None:
            timers.append(timer)
            return
        self._slots[slot] = [timer]
        heappush(self._order, slot)
        if self._order[0] == slot and not self._due:
            self._wake_at(slot)

    def _wake_at(self, slot: int) -> None:
        if self._handle is not None:
            if self._wake_slot <= slot:
                return
            self._handle.cancel()
        self._wake_slot = slot
        self._handle = self._loop.call_at(slot * self._resolution_s, self._wake)

    def _wake(self) -> None:
        self._handle = None
        now = self._loop.time()
        while self._order and self._order[0] * self._resolution_s <= now:
            slot = heappop(self._order)
            self._due.extend(timer for timer in self._slots.pop(slot) if timer._slot == slot)
        batch, self._due = self._due[:_BATCH], self._due[_BATCH:]
        for timer in batch:
            self._fire(timer, now)
        if self._due:
            self._handle = self._loop.call_soon(self._wake)
            self._wake_slot = -1
        elif self._order:
            self._wake_at(self._order[0])

    def _fire(self, timer: Timer, now: float) -> None:
        callback = timer._callback
        if callback is None:
            return
        if timer.deadline > now:
            self._file(timer)
            return
        timer._callback = None
        try:
            callback()
        except Exception:
            _log.exception("timer_failed")
