"""Group commit: writes gather for a moment and are committed together, one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

import structlog

from xmpp_server.storage.api import StorageBusyError, StorageError, StorageFailedError
from xmpp_server.storage.commit import Pending
from xmpp_server.storage.sql.script import Work

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Committer(Protocol):
    """The driver's half: commits a batch."""

    def submit(self, works: Sequence[Work[object]], finished: Callable[[list[object]], None]) -> None:
        """Execute works in one transaction; never raises.

        `finished` is called on the loop's thread with one result for each work: a `StorageError` where it failed.
        """


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """When a batch is committed, and how much may wait."""

    rows: int = 200  # writes that are committed at once, without waiting for `window_s`
    window_s: float = 0.003
    batch_rows: int = 2000  # the most in one transaction, after a slow one
    queue_rows: int = 20_000
    queue_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class _Job(Generic[T]):
    owner: str
    work: Work[T]
    size_bytes: int
    pending: Pending[T]


class GroupWriter:
    """Gathers writes on the event loop's thread and hands them to the committer."""

    def __init__(self, committer: Committer, limits: GroupLimits) -> None:
        self._committer = committer
        self._limits = limits
        self._waiting: list[_Job[object]] = []
        self._flying: list[_Job[object]] = []
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = False
        self._newest: dict[str, Pending[object]] = {}
        self.failure: StorageFailedError | None = None

    @property
    def queued(self) -> int:
        """Writes that are not committed yet."""
        return len(self._waiting) + len(self._flying)

    def write(self, owner: str, work: Work[T], size_bytes: int = 0) -> Pending[T]:
        """Queue a write; a full queue or a broken store fails it at once."""
        pending: Pending[T] = Pending()
        if self.failure is not None:
            pending.fail(self.failure)
            return pending
        waiting = len(self._waiting)
        too_much = self._waiting_bytes + size_bytes > self._limits.queue_bytes
        if waiting >= self._limits.queue_rows or (waiting and too_much):
            pending.fail(StorageBusyError("Too many writes are waiting"))
            return pending
        job = cast("_Job[object]", _Job(owner, work, size_bytes, pending))
        self._waiting.append(job)
        self._waiting_bytes += size_bytes
        self._newest[owner] = job.pending
        if waiting + 1 >= self._limits.rows:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limits.window_s, self._flush)
        return pending

    def newest(self, owner: str | None = None) -> Pending[object] | None:
        """Give the last write of an owner (or of all) that is not committed yet, and hurry it."""
        if owner is not None:
            pending = self._newest.get(owner)
        else:
            last = self._waiting or self._flying
            pending = last[-1].pending if last else None
        if pending is not None:
            self._flush()
        return pending

    async def drain(self) -> None:
        """Wait until nothing is queued."""
        while pending := self.newest():
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            pending.add_done_callback(lambda _, settled=settled: settled.set_result(None))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            await settled

    def _flush(self) -> None:
        """Commit what is waiting: now, or as soon as the transaction under way is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flying or not self._waiting:
            self._due = bool(self._waiting)
            return
        size = self._limits.batch_rows
        self._flying, self._waiting = self._waiting[:size], self._waiting[size:]
        self._due = bool(self._waiting)
        self._waiting_bytes = sum(job.size_bytes for job in self._waiting)
        self._committer.submit([job.work for job in self._flying], self._finished)

    def _finished(self, results: list[object]) -> None:
        jobs, self._flying = self._flying, []
        self._log(results)
        if self.failure is not None:
            # Nothing that waits may be tried again: the disk may have dropped what the kernel believes written.
            jobs += self._waiting
            results = results + [self.failure] * len(self._waiting)
            self._waiting = []
        # Batch by batch: the next one is under way while the callbacks of this one run.
        if self._due or len(self._waiting) >= self._limits.rows:
            self._flush()
        for job, result in zip(jobs, results, strict=True):
            if self._newest.get(job.owner) is job.pending:
                del self._newest[job.owner]
            if isinstance(result, StorageError):
                job.pending.fail(result)
            else:
                job.pending.succeed(result)

    def _log(self, results: list[object]) -> None:
        errors = [result for result in results if isinstance(result, StorageError)]
        if not errors:
            return
        log.error("writes_failed", failed=len(errors), of=len(results), reason=str(errors[0]))
        for error in errors:
            if isinstance(error, StorageFailedError):
                self.failure = error
                log.critical("storage_failed", reason=str(error))
                return
