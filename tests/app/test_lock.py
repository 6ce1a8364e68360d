from __future__ import annotations

import os
import stat

import pytest

from xmpp_server.app.lock import DataLock, LockedError


def test_one_at_a_time(tmp_path):
    folder = tmp_path / "var"
    with DataLock(folder) as lock, pytest.raises(LockedError, match=f"in use by process {os.getpid()}"):
        DataLock(folder).acquire()
    assert lock.path.exists()
    with DataLock(folder):
        pass


def test_the_folder_is_private(tmp_path):
    with DataLock(tmp_path / "a" / "b"):
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_holder_that_has_not_said_who_it_is(tmp_path):
    with DataLock(tmp_path) as lock:
        os.truncate(lock.path, 0)
        with pytest.raises(LockedError, match="in use by another process"):
            DataLock(tmp_path).acquire()


def test_releasing_twice_is_harmless(tmp_path):
    lock = DataLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
