"""The network disk with its bytes in a bucket of a real S3 server: the size of a form's file is known at its end."""

from __future__ import annotations

import re

import pytest

from components.xmpp_files.s3 import S3Storage
from components.xmpp_files.storage import Storage
from tests.components.files.network_disk.conftest import ROMEO, Browser, DiskServer, listed
from tests.components.files.s3_servers import S3Server

DATA = bytes(range(256)) * 3000


@pytest.fixture
def storage(s3: S3Server) -> Storage:
    return S3Storage(s3.settings)


async def test_files_come_stay_and_go(server: DiskServer, romeo: Browser, s3: S3Server) -> None:
    answer = await romeo.put(("a.txt", DATA), ("b.txt", b"b"))
    assert listed(answer.text) == ["Uploads", "a.txt", "b.txt"]
    assert await server.used() == len(DATA) + 1
    assert len(s3.objects()) == 2
    a, b = re.findall(r'name="items" value="e(\d+)"', answer.text)
    url = f"{server.http.url}/disk/get/{a}/a.txt"
    async with romeo.client.get(url, headers={"Range": "bytes=700000-"}) as part:
        assert (part.status, await part.read()) == (206, DATA[700_000:])
    await romeo.do("delete", items=[f"e{a}", f"e{b}"], store=ROMEO, folder="0")
    assert (await server.used(), len(s3.objects()), s3.parts()) == (0, 0, 0)


async def test_a_file_too_large_leaves_no_parts(server: DiskServer, romeo: Browser, s3: S3Server) -> None:
    assert (await romeo.put(("x.txt", bytes(1_000_001)))).status == 413
    assert (await server.used(), len(s3.objects()), s3.parts()) == (0, 0, 0)
