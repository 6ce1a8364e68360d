"""Files in a bucket, through the HTTP server and a real S3 server: what holds for the disk holds here."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from components.xmpp_files.purge import Purge
from components.xmpp_files.s3 import S3Storage, part_bytes
from components.xmpp_files.storage import Storage, StorageError, TakenError
from tests.components.files.conftest import FileServer
from tests.components.files.s3_servers import S3Server, installed, table
from tests.components.files.transfers import slot, transfer
from tests.components.files.xmpp_peers import Program
from tests.components.waiting import until
from tests.ports import free_ports

MIB = 1 << 20
JPEG = {"Content-Type": "image/jpeg"}
#: Three parts.
DATA = random.Random(1).randbytes(12 * MIB + 17)


@pytest.fixture
def storage(s3: S3Server) -> Storage:
    return S3Storage(s3.settings)


@pytest.fixture(autouse=True)
def nothing_is_left(s3: S3Server) -> Iterator[None]:
    yield
    assert s3.parts() == 0
    assert not any("probe" in key for key in s3.objects())


async def test_files_of_one_part_and_of_many(server: FileServer, s3: S3Server) -> None:
    for size in (1, 5 * MIB, len(DATA)):
        url = await server.stored(DATA[:size])
        async with server.client.get(url) as answer:
            assert await answer.read() == DATA[:size]
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert f"some/where/{url.split('/')[3]}" in s3.objects()


async def test_parts_of_files_are_read(server: FileServer) -> None:
    url = await server.stored(DATA)
    for wanted, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=7000000-7999999", 7_000_000, 8_000_000),
        ("bytes=-5", len(DATA) - 5, len(DATA)),
        ("bytes=12582912-", 12_582_912, len(DATA)),
    ):
        async with server.client.get(url, headers={"Range": wanted}) as answer:
            assert answer.status == 206
            assert await answer.read() == DATA[start:end]
            assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    async with server.client.head(url) as answer:
        assert answer.headers["Content-Length"] == str(len(DATA))
    async with server.client.get(url, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
        assert answer.status == 416


async def test_a_cut_upload_leaves_nothing(server: FileServer, s3: S3Server) -> None:
    put, get, file = await server.slot(len(DATA))
    writer = (await asyncio.open_connection(*_address(put)))[1]
    path = put.partition(server.http.url)[2]
    writer.write(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[: 8 * MIB])
    await writer.drain()
    await until(lambda: s3.parts() == 1)
    writer.close()
    await until(lambda: s3.parts() == 0)
    async with server.client.get(get) as answer:
        assert answer.status == 404
    assert f"some/where/{file.id}" not in s3.objects()
    assert await server.put(put, DATA, **JPEG) == 201  # the slot is good still


async def test_a_slot_is_for_one_upload(server: FileServer) -> None:
    put, get, _ = await server.slot(len(DATA))
    answers = await asyncio.gather(*(server.put(put, DATA, **JPEG) for _ in range(2)))
    assert sorted(answers) == [201, 409]
    assert await server.put(put, DATA, **JPEG) == 409
    assert await server.put(put, DATA[1:], **JPEG) == 413
    async with server.client.get(get) as answer:
        assert await answer.read() == DATA


async def test_expired_files_are_deleted(server: FileServer, s3: S3Server) -> None:
    now = int(time.time())
    put, get, file = await server.slot(3, expires=now + 1000)
    assert await server.put(put, b"abc", **JPEG) == 201
    assert f"some/where/{file.id}" in s3.objects()
    await Purge(server.index, server.storage).once(now + 1001)
    assert f"some/where/{file.id}" not in s3.objects()
    async with server.client.get(get) as answer:
        assert answer.status == 404


async def test_the_driver_alone(s3: S3Server) -> None:
    storage = S3Storage(s3.settings)
    await storage.open()
    assert await storage.room_for(1 << 50)
    upload = await storage.begin("a" * 24, 3)
    with pytest.raises(TakenError):
        await storage.begin("a" * 24, 3)
    await upload.write(b"ab")
    await upload.abort()
    await upload.abort()
    with pytest.raises(StorageError, match="has ended"):
        await upload.write(b"c")
    assert not await storage.exists("a" * 24)
    assert await storage.reader("a" * 24) is None
    upload = await storage.begin("a" * 24, 3)
    await upload.write(bytearray(b"abc"))
    await upload.seal()
    assert not await storage.exists("a" * 24)
    await upload.commit()
    await upload.abort()
    reader = await storage.reader("a" * 24)
    assert reader is not None
    assert (reader.size, await reader.read(1, 5), await reader.read(3, 5), await reader.read(0, 1)) == (
        3,
        b"bc",
        b"",
        b"a",
    )
    await storage.delete("a" * 24)
    await storage.delete("a" * 24)
    assert await reader.read(2, 1) == b""
    await reader.close()
    with pytest.raises(StorageError, match="not an id"):
        await storage.exists("../../etc/passwd")
    await storage.close()


async def test_what_cannot_be_used_is_told_at_the_start(s3: S3Server) -> None:
    with pytest.raises(StorageError, match=r"bucket nowhere at http://[0-9.:]+ cannot be used: .*NoSuchBucket"):
        await S3Storage(replace(s3.settings, bucket="nowhere")).open()
    with pytest.raises(StorageError, match="cannot be used"):
        await S3Storage(replace(s3.settings, endpoint="http://127.0.0.1:1")).open()
    if s3.verifies:
        with pytest.raises(StorageError, match="SignatureDoesNotMatch"):
            await S3Storage(replace(s3.settings, secret_access_key="another")).open()


async def test_a_server_that_goes_away_is_an_error_of_the_store(tmp_path: Path) -> None:
    s3 = installed(tmp_path / "s3")
    await asyncio.to_thread(s3.start)
    try:
        storage = S3Storage(s3.settings)
        await storage.open()
        upload = await storage.begin("a" * 24, 10 * MIB)
        await upload.write(bytes(MIB))
        s3.stop()
        await upload.write(bytes(3 * MIB))  # not a part yet
        with pytest.raises(StorageError):
            await upload.commit()
        with contextlib.suppress(StorageError):
            await upload.abort()
        with pytest.raises(StorageError):
            await storage.exists("b" * 24)
    finally:
        s3.stop()


async def test_the_program_keeps_files_in_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """Sixty megabytes in and out of the program; its memory knows little of them."""
    [port] = free_ports(1)
    program = Program(tmp_path, port, more=table(s3.settings))
    await asyncio.to_thread(program.start)
    try:
        growth = await transfer(program, 60 * MIB, DATA[:MIB])
        assert growth < 40 * MIB
        assert not (tmp_path / "data" / "files").exists()
    finally:
        assert await asyncio.to_thread(program.stop) == 0


async def test_a_program_that_dies_in_an_upload_leaves_no_file(tmp_path: Path) -> None:
    """Its parts stay in the bucket, for a lifecycle rule; the slot is as good as before."""
    s3 = installed(tmp_path / "s3")
    await asyncio.to_thread(s3.start)
    [port] = free_ports(1)
    program = Program(tmp_path / "files", 1, more=table(s3.settings), http_port=port)
    try:
        await asyncio.to_thread(program.start)
        url, put = await slot(program, len(DATA))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        path = put.partition(f":{port}")[2]
        writer.write(
            f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[: 8 * MIB]
        )
        await writer.drain()
        await until(lambda: s3.parts() == 1)
        os.kill(program.pid, signal.SIGKILL)
        writer.transport.abort()
        assert program.stop() == -signal.SIGKILL
        program.log_file.unlink()
        await asyncio.to_thread(program.start)
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                assert answer.status == 404
            async with session.put(put, data=io.BytesIO(DATA)) as answer:
                assert answer.status == 201
            async with session.get(url) as answer:
                assert await answer.read() == DATA
        assert s3.parts() == 1
    finally:
        program.stop()
        s3.stop()


def test_the_program_says_what_is_wrong_with_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    wrong = replace(s3.settings, bucket="nowhere", access_key_id="x", secret_access_key="y")
    program = Program(tmp_path, 1, more=table(wrong))
    with pytest.raises(AssertionError, match=r"xmpp-files: bucket nowhere at .* cannot be used"):
        program.start()
    assert program.stop() == 1


def test_parts_are_as_many_as_s3_takes() -> None:
    assert part_bytes(1) == 5 * MIB
    assert part_bytes(50_000 * MIB) == 5 * MIB
    assert part_bytes(5_000_000 * MIB) * 10_000 >= 5_000_000 * MIB


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.split("/")[2].partition(":")
    return host, int(port)
