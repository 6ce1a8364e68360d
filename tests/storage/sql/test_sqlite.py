"""Faults of SQLite: locks, a full disk, bad rows, a failing fsync, the death of the process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.storage.values import CREATED, JULIET, ROMEO, account, message
from xmpp_server.jid import JID
from xmpp_server.storage.api import (
    Durability,
    OfflineMessage,
    RosterItem,
    StorageBusyError,
    StorageError,
    StorageFullError,
)
from xmpp_server.storage.sql.sqlite import SqliteDriver
from xmpp_server.storage.sql.store import SqlStorage
from xmpp_server.storage.urls import storage_for


def make(path: Path, durability: Durability = Durability.PROCESS) -> SqlStorage:
    return SqlStorage(SqliteDriver(path, durability, lock_timeout_s=0.1), durability)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStorage]:
    made = make(tmp_path / "x.db")
    await made.open()
    await made.accounts.create(account())
    yield made
    await made.close()


async def test_locked_by_another_process_writes_are_busy_and_reads_go_on(store: SqlStorage, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        commit = store.offline.append(JULIET, message(1))
        assert await store.accounts.get(ROMEO) == account()
        with pytest.raises(StorageBusyError):
            await commit
        other.execute("ROLLBACK")
    await store.offline.append(JULIET, message(2))
    assert await store.offline.load(JULIET) == [message(2)]
    assert store.failure is None


async def test_bad_row_fails_alone(store: SqlStorage) -> None:
    good = [store.offline.append(ROMEO, message(number)) for number in range(5)]
    bad = [
        store.offline.append(ROMEO, OfflineMessage("surrogate \ud800", CREATED, b"")),
        store.rosters.put(ROMEO, RosterItem(JULIET, name="surrogate \ud800")),
    ]
    good.append(store.offline.append(ROMEO, message(5)))
    for commit in bad:
        with pytest.raises(StorageError):
            await commit
    for commit in good:
        await commit
    assert await store.offline.load(ROMEO) == [message(number) for number in range(6)]
    assert (await store.rosters.load(ROMEO)).items == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("Only root may mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (shutil.disk_usage(disk).free - leave_bytes))
    return ballast


async def test_full_disk_fails_writes_until_there_is_space(small_disk: Path) -> None:
    store = make(small_disk / "x.db")
    await store.open()
    await store.accounts.create(account())
    ballast = fill(small_disk, leave_bytes=256 * 1024)
    commits = [store.offline.append(ROMEO, message(number, "x" * 50_000)) for number in range(20)]
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    kept = outcomes.count(None)
    assert {type(outcome) for outcome in outcomes if outcome is not None} == {StorageFullError}
    assert await store.accounts.get(ROMEO) == account()
    assert await store.offline.count(ROMEO) == kept
    ballast.unlink()
    await store.offline.append(ROMEO, message(100))
    assert await store.offline.count(ROMEO) == kept + 1
    assert store.failure is None
    await store.close()


def write_until_killed(url: str) -> int:
    """Run the writer, kill it in the middle, and give the last number that it told to be committed."""
    command = [sys.executable, str(Path(__file__).with_name("killed_writer.py")), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 1000:
                break
        process.send_signal(signal.SIGKILL)
        # What it printed before it died counts as well.
        told = [line, *process.stdout.read().splitlines(keepends=True)]
    return int([line for line in told if line.endswith("\n")][-1])


async def test_kill_loses_no_committed_message(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    last = write_until_killed(url)
    store = storage_for(url)
    await store.open()
    kept = await store.offline.load(ROMEO, limit=10_000_000)
    await store.close()
    assert [int(message.id) for message in kept[: last + 1]] == list(range(last + 1))


FAILING_FSYNC = """
#include <errno.h>
#include <unistd.h>
static int fail(void) { if (access("FLAG", F_OK) != 0) return 0; errno = EIO; return -1; }
int fsync(int fd) { (void)fd; return fail(); }
int fdatasync(int fd) { (void)fd; return fail(); }
"""

FSYNC_SCRIPT = """
import asyncio, pathlib, sys
from xmpp_server.storage.api import Durability, StorageFailedError
from xmpp_server.storage.urls import storage_for
from xmpp_server.storage.api import OfflineMessage
from xmpp_server.storage.sql.rows import time_of
from xmpp_server.jid import JID
async def main():
    romeo = JID.parse("romeo@example.org")
    store = storage_for(sys.argv[1], Durability.FULL)
    await store.open()
    await store.offline.append(romeo, OfflineMessage("1", time_of(1), b""))
    flag = pathlib.Path(sys.argv[2])
    flag.touch()
    for number in "23":
        try:
            await store.offline.append(romeo, OfflineMessage(number, time_of(1), b""))
        except StorageFailedError:
            print("failed", store.failure is not None, [kept.id for kept in await store.offline.load(romeo)])
        flag.unlink(missing_ok=True)
    await store.close()
asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="A failing fsync needs a C compiler: install gcc")
def test_failed_fsync_ends_the_store(tmp_path: Path) -> None:
    flag, shim = tmp_path / "flag", tmp_path / "shim.so"
    build = ["cc", "-shared", "-fPIC", "-x", "c", "-o", str(shim), "-"]
    subprocess.run(build, input=FAILING_FSYNC.replace("FLAG", str(flag)), text=True, check=True)
    ran = subprocess.run(
        [sys.executable, "-c", FSYNC_SCRIPT, f"sqlite:///{tmp_path}/x.db", str(flag)],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in ran.stdout.splitlines() if line.startswith("failed")] == ["failed True ['1']"] * 2


async def test_corrupt_item_is_left_out(store: SqlStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await store.rosters.put(ROMEO, RosterItem(JULIET, groups=("Verona",)))
    await store.rosters.put(ROMEO, RosterItem(JID.parse("nurse@example.org")))
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("UPDATE roster SET groups = '[' WHERE contact = ?", (str(JULIET),))
        other.execute("UPDATE accounts SET credentials = '{'")
    loaded = await store.load_account(ROMEO)
    assert loaded is not None
    assert [str(item.jid) for item in loaded.roster] == ["nurse@example.org"]
    assert loaded.record.credentials == {}
    assert capsys.readouterr().out.count("corrupt_row") == 2


async def test_not_a_database_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database " * 1000)
    with pytest.raises(StorageError, match=r"x\.db: .*not a database"):
        await make(tmp_path / "x.db").open()


async def test_missing_folder_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none/x\.db: .*unable to open"):
        await make(tmp_path / "none" / "x.db").open()


async def test_store_that_is_not_open_fails_reads_and_writes(tmp_path: Path) -> None:
    store = make(tmp_path / "x.db")
    with pytest.raises(StorageError, match="not open"):
        await store.accounts.get(ROMEO)
    with pytest.raises(StorageError, match="not open"):
        await store.offline.append(ROMEO, message(1))


@pytest.mark.parametrize("durability", list(Durability))
async def test_each_durability_keeps_what_is_written(tmp_path: Path, durability: Durability) -> None:
    store = make(tmp_path / "x.db", durability)
    await store.open()
    await store.offline.append(ROMEO, message(1))
    await store.close()
    await store.open()
    assert await store.offline.load(ROMEO) == [message(1)]
    await store.close()
