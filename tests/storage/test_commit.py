from __future__ import annotations

import asyncio

import pytest

from xmpp_server.storage.api import StorageError
from xmpp_server.storage.commit import Pending


def test_result_of_a_pending_write_is_an_error() -> None:
    with pytest.raises(asyncio.InvalidStateError):
        Pending[int]().result()


def test_callbacks_run_in_order_within_settling() -> None:
    calls: list[str] = []
    pending: Pending[int] = Pending()
    pending.add_done_callback(lambda write: calls.append(f"first {write.result()}"))
    pending.add_done_callback(lambda write: calls.append(f"second {write.done()}"))
    pending.succeed(7)
    assert calls == ["first 7", "second True"]


def test_failing_callback_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    pending: Pending[int] = Pending()
    pending.add_done_callback(lambda _: 1 // 0)
    pending.add_done_callback(lambda _: calls.append("called"))
    pending.succeed(7)
    assert calls == ["called"]
    assert "commit_callback_failed" in capsys.readouterr().out


async def test_await_gives_the_value_or_raises() -> None:
    good: Pending[int] = Pending()
    bad: Pending[int] = Pending()
    loop = asyncio.get_running_loop()
    loop.call_soon(good.succeed, 7)
    loop.call_soon(bad.fail, StorageError("full"))
    assert await good == 7
    with pytest.raises(StorageError, match="full"):
        await bad
    assert await good == 7


async def test_cancelled_waiter_does_not_hurt_settling() -> None:
    pending: Pending[int] = Pending()

    async def wait() -> int:
        return await pending

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pending.succeed(7)
    assert pending.result() == 7
