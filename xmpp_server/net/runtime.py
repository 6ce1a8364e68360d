"""The event loop as the kernel sees it (`core.runtime.Runtime`): time, timers, tasks, threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from xmpp_server.net.timers import Timer, TimerWheel

T = TypeVar("T")

#: Threads for password hashing; hashlib lets go of the interpreter lock.
COMPUTE_THREADS = 2

log = structlog.get_logger()


class LoopRuntime:
    """Time and tasks of one event loop. Every task of the server starts here, and none is lost sight of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(COMPUTE_THREADS, thread_name_prefix="compute")
        self.wheel = TimerWheel(loop)
        self.now: Callable[[], float] = loop.time

    def utcnow(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call in the loop's next turn."""
        self._loop.call_soon(callback)

    def schedule(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call after a delay."""
        return self.wheel.schedule(self._loop.time() + delay_s, callback)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str) -> None:
        """Run a coroutine as a task; a failure is logged."""
        task = self._loop.create_task(self._logged(coroutine, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, coroutine: Coroutine[object, object, None], name: str) -> None:
        try:
            await coroutine
        except Exception:
            log.exception("task-failed", task=name)

    async def compute(self, work: Callable[[], T]) -> T:
        """Run CPU-bound work in a thread; at most `COMPUTE_THREADS` at once, the rest waits its turn."""
        return await self._loop.run_in_executor(self._threads, work)

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await asyncio.sleep(delay_s)

    async def future(self, start: Callable[[Callable[[T], None]], None]) -> T:
        """Wait for a callback: `start` is given the function to call with the result."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(value: T) -> None:
            if not future.done():
                future.set_result(value)

        start(done)
        return await future

    async def drain(self, timeout_s: float) -> None:
        """Let running tasks finish, then cancel what is left, and forget all timers."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
        self.wheel.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
