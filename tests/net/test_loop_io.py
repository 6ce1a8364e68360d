"""Tests of xmpp_server.net.loop_io: outboxes are flushed once, in their order, and not too many in one turn."""

from __future__ import annotations

import asyncio

from xmpp_server.net.loop_io import AT_ONCE, LoopIO


class Outbox:
    """Notes when it is flushed."""

    def __init__(self, flushed: list[Outbox]) -> None:
        self._flushed = flushed

    def flush(self) -> None:
        self._flushed.append(self)


async def test_once_a_turn() -> None:
    io, flushed = LoopIO(asyncio.get_running_loop()), list[Outbox]()
    outboxes = [Outbox(flushed) for _ in range(AT_ONCE)]
    for one in outboxes:
        io.mark(one)
    assert not flushed
    await asyncio.sleep(0)
    assert flushed == outboxes
    await asyncio.sleep(0)
    assert flushed == outboxes


async def test_others_come_in_between() -> None:
    io, flushed = LoopIO(asyncio.get_running_loop()), list[Outbox]()
    outboxes = [Outbox(flushed) for _ in range(2 * AT_ONCE + 1)]
    late = Outbox(flushed)
    for one in outboxes:
        io.mark(one)
    for turn in (1, 2):
        await asyncio.sleep(0)
        assert flushed == outboxes[: turn * AT_ONCE]
    io.mark(late)
    await asyncio.sleep(0)
    assert flushed == [*outboxes, late]
