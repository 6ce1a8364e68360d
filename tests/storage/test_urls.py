from __future__ import annotations

from pathlib import Path

import pytest

from xmpp_server.storage.memory import MemoryStorage
from xmpp_server.storage.sql.store import SqlStorage
from xmpp_server.storage.urls import storage_for


def test_memory() -> None:
    assert isinstance(storage_for("memory:"), MemoryStorage)


async def test_sqlite_path_is_absolute_behind_four_slashes(tmp_path: Path) -> None:
    store = storage_for(f"sqlite:///{tmp_path}/x.db")
    await store.open()
    await store.close()
    assert (tmp_path / "x.db").exists()


async def test_sqlite_path_is_relative_behind_three_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = storage_for("sqlite:///x.db")
    await store.open()
    await store.close()
    assert (tmp_path / "x.db").exists()


def test_postgresql() -> None:
    assert isinstance(storage_for("postgresql://user@host/db"), SqlStorage)


@pytest.mark.parametrize("url", ["", "x.db", "mysql://host/db", "sqlite://", "sqlite://x.db", "sqlite:///:memory:"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///"):
        storage_for(url)
