"""The event loop as the kernel sees it."""

import asyncio
import threading

import pytest

from xmpp_server.net.runtime import LoopRuntime


async def test_time_and_timers() -> None:
    runtime = LoopRuntime(asyncio.get_running_loop())
    fired = asyncio.Event()
    cancelled: list[int] = []
    runtime.schedule(0.01, fired.set)
    runtime.schedule(0.01, lambda: cancelled.append(1)).cancel()
    await asyncio.wait_for(fired.wait(), 2)
    assert cancelled == []
    assert runtime.utcnow().tzinfo is not None
    await runtime.drain(1)


async def test_tasks_are_kept_and_their_failures_logged(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = LoopRuntime(asyncio.get_running_loop())
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    async def fail() -> None:
        raise RuntimeError("a bug")

    runtime.spawn(work(), "work")
    runtime.spawn(fail(), "fail")
    await runtime.drain(2)
    assert done == ["work"]
    assert "task-failed" in capsys.readouterr().out


async def test_draining_cancels_what_does_not_end() -> None:
    runtime = LoopRuntime(asyncio.get_running_loop())
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    runtime.spawn(forever(), "forever")
    await asyncio.sleep(0)
    await runtime.drain(0.01)
    await asyncio.sleep(0.01)
    assert ended == ["cancelled"]


async def test_computing_happens_in_another_thread() -> None:
    runtime = LoopRuntime(asyncio.get_running_loop())
    assert await runtime.compute(threading.get_ident) != threading.get_ident()
    await runtime.drain(1)


async def test_a_callback_as_a_future_takes_the_first_result() -> None:
    runtime = LoopRuntime(asyncio.get_running_loop())
    calls = []

    def start(done: object) -> None:
        calls.append(done)
        done(1)  # type: ignore[operator]
        done(2)  # type: ignore[operator]

    assert await runtime.future(start) == 1
    await runtime.drain(1)
