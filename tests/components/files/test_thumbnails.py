"""Thumbnails at the address of a file, through the HTTP server."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from components.xmpp_files import thumbnails as module
from components.xmpp_files.settings import ThumbnailSettings
from components.xmpp_files.storage import Storage
from components.xmpp_files.thumbnails import Thumbnails
from tests.components.files.conftest import FileServer
from tests.components.files.test_thumbnail_worker import image
from tests.components.waiting import until

SETTINGS = ThumbnailSettings(enabled=True, side=100, max_file_bytes=100_000, cache_bytes=20_000)


@pytest.fixture
def thumbnails(storage: Storage) -> Thumbnails:
    return Thumbnails(SETTINGS, storage)


async def test_an_image_has_one(server: FileServer, thumbnails: Thumbnails) -> None:
    url = await server.stored(image("JPEG"))
    async with server.client.get(f"{url}?thumbnail") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        etag = answer.headers["ETag"]
        with Image.open(io.BytesIO(await answer.read())) as made:
            assert made.size == (100, 50)
    async with server.client.get(f"{url}?thumbnail", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
    async with server.client.head(f"{url}?thumbnail") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with server.client.get(url, headers={"If-None-Match": etag}) as answer:
        assert answer.status == 200
        assert await answer.read() == image("JPEG")
    assert len(thumbnails._made) == 1


async def test_what_is_none_has_none(server: FileServer, thumbnails: Thumbnails) -> None:
    for data, kind in ((b"no image", "image/png"), (image("PNG"), "text/plain"), (bytes(100_001), "image/png")):
        url = await server.stored(data, content_type=kind)
        for _ in range(2):
            async with server.client.get(f"{url}?thumbnail") as answer:
                assert answer.status == 404
    assert list(thumbnails._made.values()) == [None]  # for the others nobody was asked
    _, url, _ = await server.slot(5)
    async with server.client.get(f"{url}?thumbnail") as answer:
        assert answer.status == 404
    assert len(thumbnails._made) == 1  # it may still come


async def test_all_who_ask_at_one_time_get_the_same(server: FileServer, thumbnails: Thumbnails) -> None:
    url = await server.stored(image("PNG", mode="RGBA"), content_type="image/png")

    async def asked() -> bytes:
        async with server.client.get(f"{url}?thumbnail") as answer:
            assert answer.headers["Content-Type"] == "image/png"
            return await answer.read()

    first, *others = await asyncio.gather(*(asked() for _ in range(5)))
    assert others == [first] * 4
    assert not thumbnails._making


async def test_memory_is_bounded(server: FileServer, thumbnails: Thumbnails) -> None:
    for number in range(60):
        thumbnails._remember(str(number), bytes(500))
    assert thumbnails._made_bytes <= 20_000
    assert list(thumbnails._made) == [str(number) for number in range(40, 60)]


async def test_too_many_at_one_time(
    server: FileServer, thumbnails: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 0)
    url = await server.stored(image("JPEG"))
    async with server.client.get(f"{url}?thumbnail") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_one_that_takes_too_long_is_ended(server: FileServer, storage: Storage) -> None:
    _, _, file = await server.slot(5)
    impatient = Thumbnails(ThumbnailSettings(enabled=True, timeout_s=0.001), storage)
    data = image("JPEG")
    assert await impatient._work(file, data) is None
    await impatient.close()


async def test_the_end_of_the_program_ends_what_is_under_way(server: FileServer, thumbnails: Thumbnails) -> None:
    url = await server.stored(image("JPEG"))
    file = await server.index.get(url.split("/")[3])
    assert file is not None
    asked = asyncio.create_task(thumbnails.of(file))
    await until(lambda: bool(thumbnails._making))
    await thumbnails.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not thumbnails._making
