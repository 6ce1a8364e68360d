from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from xmpp_server.storage.api import StorageBusyError, StorageError, StorageFailedError
from xmpp_server.storage.sql.script import Script, Work
from xmpp_server.storage.sql.writer import GroupLimits, GroupWriter


def work() -> Script[None]:
    yield from ()


class Recorder:
    """A committer that commits when told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, Callable[[list[object]], None]]] = []

    def submit(self, works: Sequence[Work[object]], finished: Callable[[list[object]], None]) -> None:
        self.batches.append((len(works), finished))

    def finish(self, *results: object) -> None:
        size, finished = self.batches.pop(0)
        finished(list(results) or [None] * size)

    @property
    def sizes(self) -> list[int]:
        return [size for size, _ in self.batches]


LIMITS = GroupLimits(rows=3, window_s=0.0, batch_rows=4, queue_rows=6, queue_bytes=100)


@pytest.fixture
def committer() -> Recorder:
    return Recorder()


async def test_enough_writes_are_committed_at_once(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    writes = [writer.write("a", work) for _ in range(3)]
    assert committer.sizes == [3]
    assert not any(write.done() for write in writes)
    committer.finish()
    assert all(write.done() for write in writes)


async def test_few_writes_are_committed_after_the_window(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    writer.write("a", work)
    assert committer.sizes == []
    await asyncio.sleep(0.001)
    assert committer.sizes == [1]
    committer.finish()


async def test_one_batch_is_under_way_while_the_next_gathers(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    for _ in range(8):
        writer.write("a", work)
    assert (committer.sizes, writer.queued) == ([3], 8)
    committer.finish()
    assert (committer.sizes, writer.queued) == ([4], 5)
    committer.finish()
    await asyncio.sleep(0.001)
    committer.finish()
    assert (committer.sizes, writer.queued) == ([], 0)


async def test_full_queue_is_busy_until_it_moves(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    writes = [writer.write("a", work) for _ in range(10)]
    assert [isinstance(write.exception(), StorageBusyError) for write in writes] == [False] * 9 + [True]
    committer.finish()
    assert not writer.write("a", work).done()
    committer.finish()
    committer.finish()
    await asyncio.sleep(0.001)


async def test_queue_is_bounded_by_bytes_but_takes_one_large_write(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    assert not writer.write("a", work, 1000).done()
    assert isinstance(writer.write("a", work, 1).exception(), StorageBusyError)
    writer.newest()
    assert not writer.write("a", work, 1).done()
    committer.finish()
    await asyncio.sleep(0.001)
    committer.finish()


async def test_newest_write_of_an_owner_is_hurried(committer: Recorder) -> None:
    writer = GroupWriter(committer, GroupLimits())
    first, second = writer.write("a", work), writer.write("a", work)
    assert writer.newest("b") is None
    assert committer.sizes == []
    assert writer.newest("a") is second
    assert committer.sizes == [2]
    committer.finish()
    assert first.done()
    assert writer.newest("a") is None


async def test_each_write_has_its_own_result(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    writes = [writer.write("a", work) for _ in range(3)]
    error = StorageError("bad row")
    committer.finish(1, error, 3)
    assert [write.exception() for write in writes] == [None, error, None]
    assert writer.failure is None


async def test_after_a_fatal_error_nothing_is_written(committer: Recorder) -> None:
    writer = GroupWriter(committer, LIMITS)
    writes = [writer.write("a", work) for _ in range(5)]
    fatal = StorageFailedError("fsync")
    committer.finish(fatal, fatal, fatal)
    assert [write.exception() for write in writes] == [fatal] * 5
    assert writer.failure is fatal
    assert writer.write("a", work).exception() is fatal
    assert (committer.sizes, writer.queued) == ([], 0)
    await writer.drain()
