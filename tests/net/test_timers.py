"""The timer wheel, on a loop whose clock the test moves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from xmpp_server.net.timers import RESOLUTION_S, Timer, TimerWheel


class FastLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.wakes = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback, *args, context=None):  # type: ignore[no-untyped-def]
        def jump() -> None:
            self.now = max(self.now, when)
            self.wakes += 1
            callback(*args)

        return super().call_at(self.now, jump, context=context)


@pytest.fixture
def loop() -> Iterator[FastLoop]:
    loop = FastLoop()
    yield loop
    loop.close()


@pytest.fixture
def wheel(loop: FastLoop) -> TimerWheel:
    return TimerWheel(loop)


@pytest.fixture
def fired(loop: FastLoop) -> list[tuple[str, float]]:
    return []


def run(loop: FastLoop, turns: int = 40) -> None:
    async def spin() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    loop.run_until_complete(spin())


@pytest.fixture
def note(loop: FastLoop, fired: list[tuple[str, float]]) -> Callable[[str], Callable[[], None]]:
    return lambda name: lambda: fired.append((name, loop.now))


def test_timers_fire_in_order_and_never_early(loop, wheel, fired, note) -> None:
    wheel.schedule(1005.0, note("b"))
    wheel.schedule(1001.55, note("a"))
    run(loop)
    assert [name for name, _ in fired] == ["a", "b"]
    for (_, at), due in zip(fired, (1001.55, 1005.0), strict=True):
        assert due <= at <= due + 2 * RESOLUTION_S
    assert loop.wakes == 2


def test_a_cancelled_timer_never_fires(loop, wheel, fired, note) -> None:
    timer = wheel.schedule(1001.0, note("a"))
    timer.cancel()
    timer.cancel()
    assert not timer.active
    run(loop)
    assert fired == []


def test_putting_off_moves_the_call(loop, wheel, fired, note) -> None:
    timer = wheel.schedule(1001.0, note("a"))
    for deadline in range(1002, 1100):
        timer.reschedule(float(deadline))
    assert len(wheel._slots) == 1, "later costs nothing"
    run(loop)
    assert len(fired) == 1
    assert fired[0][1] >= 1099.0


def test_an_earlier_deadline_counts_once(loop, wheel, fired, note) -> None:
    timer = wheel.schedule(1050.0, note("a"))
    timer.reschedule(1002.0)
    run(loop)
    assert len(fired) == 1
    assert fired[0][1] < 1003.0


def test_earlier_then_later_again_counts_once(loop, wheel, fired, note) -> None:
    timer = wheel.schedule(1050.0, note("a"))
    timer.reschedule(1002.0)
    timer.reschedule(1050.0)
    run(loop)
    assert len(fired) == 1
    assert fired[0][1] >= 1050.0


def test_a_past_deadline_fires_in_a_later_turn(loop, wheel, fired, note) -> None:
    wheel.schedule(5.0, note("a"))
    assert fired == []
    run(loop)
    assert len(fired) == 1


def test_a_callback_may_schedule_and_reschedule(loop, wheel, fired, note) -> None:
    def again() -> None:
        note("first")()
        wheel.schedule(loop.now + 1, note("second"))

    timer = wheel.schedule(1001.0, again)
    run(loop)
    assert [name for name, _ in fired] == ["first", "second"]
    timer.reschedule(2000.0)
    assert not timer.active


def test_a_failing_callback_stops_nobody(loop, wheel, fired, note) -> None:
    def fail() -> None:
        raise RuntimeError

    wheel.schedule(1001.0, fail)
    wheel.schedule(1001.0, note("a"))
    run(loop)
    assert [name for name, _ in fired] == ["a"]


def test_many_at_once_leave_turns_to_others(loop, wheel, fired, note) -> None:
    for _ in range(1000):
        wheel.schedule(1001.0, note("x"))
    sizes: list[int] = []

    async def watch() -> None:
        while len(fired) < 1000:
            sizes.append(len(fired))
            await asyncio.sleep(0)

    loop.run_until_complete(watch())
    steps = [after - before for before, after in itertools.pairwise(sizes)]
    assert max(steps) <= 256


def test_a_timer_cancelled_by_another_of_the_same_slot_stays_silent(loop, wheel, fired, note) -> None:
    timers: list[Timer] = []
    wheel.schedule(1001.0, lambda: timers[0].cancel())
    timers.append(wheel.schedule(1001.0, note("a")))
    run(loop)
    assert fired == []


def test_close_forgets_all(loop, wheel, fired, note) -> None:
    wheel.schedule(1001.0, note("a"))
    wheel.close()
    run(loop)
    assert fired == []
