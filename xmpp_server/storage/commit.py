"""The answer of a write that is not committed yet: `storage.api.Write` as all drivers give it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Pending(Generic[T]):
    """A write on its way. Lighter than a future: callbacks run inside the call that settles it.

    A failure that nobody looks at is no error here: the driver has logged it.
    """

    __slots__ = ("_callbacks", "_done", "_exception", "_value")

    _value: T

    def __init__(self) -> None:
        self._done = False
        self._exception: Exception | None = None
        self._callbacks: list[Callable[[Pending[T]], object]] = []

    def done(self) -> bool:
        """Tell whether the write is committed or has failed."""
        return self._done

    def exception(self) -> BaseException | None:
        """Why it failed; None while pending or once committed."""
        return self._exception

    def result(self) -> T:
        """What the write answers.

        Raises:
            asyncio.InvalidStateError: it is not done.

        """
        if not self._done:
            raise asyncio.InvalidStateError("The write is not done")
        if self._exception is not None:
            raise self._exception
        return self._value

    def add_done_callback(self, fn: Callable[[Pending[T]], object], /) -> None:
        """Call `fn(self)` once done: within this very call if it is done already."""
        if self._done:
            fn(self)
        else:
            self._callbacks.append(fn)

    def succeed(self, value: T) -> None:
        """Settle it as committed."""
        self._value = value
        self._settle()

    def fail(self, exception: Exception) -> None:
        """Settle it as failed."""
        self._exception = exception
        self._settle()

    def _settle(self) -> None:
        self._done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                # The other callbacks, and the other writes of the batch, have nothing to do with it.
                log.exception("commit_callback_failed")

    def __await__(self) -> Generator[object, None, T]:
        if not self._done:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def wake(_: Pending[T]) -> None:
                if not settled.done():  # whoever awaited may have been cancelled
                    settled.set_result(None)

            self.add_done_callback(wake)
            yield from settled
        return self.result()
