from __future__ import annotations

from tests.storage.values import ROMEO, account, message
from xmpp_server.storage.api import StorageFullError
from xmpp_server.storage.memory import MemoryStorage


async def test_held_writes_are_committed_by_release() -> None:
    store = MemoryStorage()
    store.hold()
    created, kept = store.accounts.create(account()), store.offline.append(ROMEO, message(1))
    assert (created.done(), kept.done(), store.queued) == (False, False, 2)
    assert await store.accounts.get(ROMEO) is None
    store.release()
    assert (created.result(), kept.exception(), store.queued) == (True, None, 0)
    assert store.offline.append(ROMEO, message(1)).done()


async def test_released_with_an_error_nothing_is_kept() -> None:
    store = MemoryStorage()
    store.hold()
    kept = store.offline.append(ROMEO, message(1))
    store.release(StorageFullError("no space"))
    assert isinstance(kept.exception(), StorageFullError)
    assert await store.offline.count(ROMEO) == 0
