"""The store on disk: nothing half, nothing outside its folder."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from components.xmpp_files.disk import DiskStorage
from components.xmpp_files.storage import FullError, StorageError, TakenError

ID = "a" * 24


@pytest.fixture
async def disk(tmp_path):
    disk = DiskStorage(tmp_path / "store")
    await disk.open()
    yield disk
    await disk.close()


async def store(disk, data: bytes, file_id: str = ID) -> None:
    upload = await disk.begin(file_id, len(data))
    await upload.write(data)
    await upload.seal()
    await upload.commit()


async def test_a_file_is_there_when_it_is_committed_and_not_before(disk):
    upload = await disk.begin(ID, 4)
    await upload.write(b"ab")
    await upload.write(bytearray(b"cd"))
    await upload.seal()
    assert await disk.reader(ID) is None
    assert not await disk.exists(ID)
    await upload.commit()
    reader = await disk.reader(ID)
    assert reader.size == 4
    assert (await reader.read(1, 2), await reader.read(4, 9)) == (b"bc", b"")
    await reader.close()
    await reader.close()


async def test_a_reader_outlives_its_file(disk):
    await store(disk, b"data")
    reader = await disk.reader(ID)
    await disk.delete(ID)
    await disk.delete(ID)
    assert await reader.read(0, 9) == b"data"
    await reader.close()
    assert not await disk.exists(ID)


async def test_an_id_is_used_once(disk):
    upload = await disk.begin(ID, 1)
    with pytest.raises(TakenError):
        await disk.begin(ID, 1)
    await upload.abort()
    await store(disk, b"1")
    with pytest.raises(TakenError):
        await disk.begin(ID, 1)
    await upload.abort()
    assert await disk.exists(ID)


@pytest.mark.parametrize("file_id", ["../../../etc/x", "", "a/b/c/d/e", "..", "a" * 100, "aaaaaaaa\n", "aaaaaaa."])
async def test_an_id_is_no_path(disk, file_id):
    for call in (disk.begin(file_id, 1), disk.reader(file_id), disk.delete(file_id), disk.exists(file_id)):
        with pytest.raises(StorageError):
            await call


async def test_room_counts_what_is_promised(tmp_path):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    disk = DiskStorage(tmp_path, min_free_bytes=free // 2)
    await disk.open()
    assert await disk.room_for(free // 10)
    upload = await disk.begin(ID, free // 2 - free // 10)
    assert not await disk.room_for(free // 5)
    with pytest.raises(FullError):
        await disk.begin("b" * 24, free // 5)
    await upload.abort()
    assert await disk.room_for(free // 5)
    await disk.close()


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, FullError), (errno.EIO, StorageError)])
async def test_errors_of_the_disk_are_told_apart(disk, monkeypatch, number, error):
    upload = await disk.begin(ID, 4)

    def fail(*_):
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(error):
            await upload.write(b"data")
    await upload.abort()


async def test_a_failed_fsync_is_no_upload(disk, monkeypatch):
    upload = await disk.begin(ID, 4)
    await upload.write(b"data")

    def fail(_):
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError):
            await upload.seal()
    await upload.abort()
    assert not await disk.exists(ID)


async def test_an_abort_while_writing_closes_nothing_too_early(disk):
    upload = await disk.begin(ID, 64 << 20)
    writing = asyncio.create_task(upload.write(bytes(64 << 20)))
    await asyncio.sleep(0)
    writing.cancel()
    await upload.abort()
    with pytest.raises(StorageError):
        await upload.write(b"more")
    with pytest.raises(asyncio.CancelledError):
        await writing
