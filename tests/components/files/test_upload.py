"""PUT over real HTTP: what becomes a file and what leaves no trace."""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec.structs import replace

from components.xmpp_files.slots import Slot
from components.xmpp_files.storage import FullError
from tests.components.waiting import until

DATA = b"0123456789" * 1000


async def raw(server, url: str, lines: list[str], body: bytes = b"", *, wait_s: float = 5.0) -> bytes:
    """Send a request byte by byte as written; return what comes back until the end or the time is over."""
    host, _, port = server.http.addresses[0].rpartition(":")
    path = url[url.index("/", 8) :]
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([f"PUT {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode() + body)
    try:
        async with asyncio.timeout(wait_s):
            return await reader.read(65536)
    finally:
        writer.close()


async def test_an_upload_becomes_a_file_and_nothing_else(server):
    put, get, file = await server.slot(len(DATA))
    assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 201
    assert [path.read_bytes() for path in server.files()] == [DATA]
    assert server.parts() == []
    assert (await server.index.get(file.id)).slot_until is None
    async with server.client.get(get) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)


async def test_a_slot_needs_no_database(server):
    slot = Slot("a" * 24, "x.txt", 4, "", "u", int(time.time()) + 10)
    assert await server.index.get(slot.id) is None
    assert await server.put(f"{server.http.url}/{slot.id}/x.txt?slot={server.signer.token(slot)}", b"data") == 201


@pytest.mark.parametrize("content_type", ["image/jpeg", "Image/JPEG; q=1"])
async def test_the_content_type_may_have_parameters(server, content_type):
    put, _, _ = await server.slot(len(DATA))
    assert await server.put(put, DATA, **{"Content-Type": content_type}) == 201


@pytest.mark.parametrize("difference", [-1, 1])
async def test_another_length_is_refused(server, difference):
    put, get, _ = await server.slot(len(DATA) + difference)
    assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 413
    assert server.files() == server.parts() == []
    async with server.client.get(get) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/html"}, 415),
        ({"Content-Encoding": "gzip", "Content-Type": "image/jpeg"}, 415),
    ],
)
async def test_other_content_is_refused(server, headers, status):
    put, _, _ = await server.slot(len(DATA))
    assert await server.put(put, DATA, **headers) == status
    assert server.files() == []


async def test_an_upload_without_a_length_is_refused(server):
    put, _, _ = await server.slot(5)

    async def chunks():
        yield b"12345"

    async with server.client.put(put, data=chunks(), headers={"Content-Type": "image/jpeg"}) as answer:
        assert answer.status == 411


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url.partition("?")[0],
        lambda url: url + "A",
        lambda url: url.replace("?slot=", "?slot=AAAA"),
        lambda url: url.replace("cool.jpg", "cool.html"),
        lambda url: url.replace("/tr", "x/tr", 1),
    ],
)
async def test_forged_slots_are_refused(server, spoil):
    put, _, _ = await server.slot(len(DATA))
    assert await server.put(spoil(put), DATA, **{"Content-Type": "image/jpeg"}) == 403
    assert server.files() == server.parts() == []


async def test_an_expired_slot_is_refused(server):
    slot = Slot("a" * 24, "x.txt", 1, "", "u", int(time.time()))
    url = f"{server.http.url}/{slot.id}/x.txt?slot={server.signer.token(slot)}"
    assert await server.put(url, b"x") == 403


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/" + "a" * 24 + "/..%2f..%2fx", "/%2e%2e/x", "/", "/x"])
async def test_paths_lead_nowhere(server, path):
    async with server.client.put(server.http.url + path, data=b"x") as answer:
        assert answer.status in (403, 404)
    assert server.files() == server.parts() == []


async def test_a_slot_is_used_once(server):
    put, _, _ = await server.slot(len(DATA))
    assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 201
    assert await server.put(put, b"x" * len(DATA), **{"Content-Type": "image/jpeg"}) == 409
    assert [path.read_bytes() for path in server.files()] == [DATA]


async def test_of_parallel_uploads_one_wins(server):
    put, get, _ = await server.slot(len(DATA))
    bodies = [bytes([65 + number]) * len(DATA) for number in range(4)]
    statuses = await asyncio.gather(*(server.put(put, body, **{"Content-Type": "image/jpeg"}) for body in bodies))
    assert sorted(statuses) == [201, 409, 409, 409]
    async with server.client.get(get) as answer:
        assert await answer.read() == bodies[statuses.index(201)]


async def test_a_cut_upload_leaves_nothing_and_may_be_tried_again(server):
    put, _, _ = await server.slot(len(DATA))
    with pytest.raises(TimeoutError):
        await raw(server, put, [f"Content-Length: {len(DATA)}"], DATA[:-1], wait_s=0.2)
    await until(lambda: server.parts() == [])
    assert server.files() == []
    assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 201


class TestSlow:
    """Clients that take their time."""

    @pytest.fixture
    def http_settings(self, http_settings):
        return replace(http_settings, idle_timeout_s=0.2, header_timeout_s=0.3, uploads_per_user=2)

    async def test_a_slow_upload_is_ended(self, server):
        put, _, _ = await server.slot(len(DATA))
        answer = await raw(server, put, [f"Content-Length: {len(DATA)}"], DATA[:-1])
        assert answer.startswith(b"HTTP/1.1 408")
        assert server.parts() == server.files() == []

    async def test_a_slow_header_is_ended(self, server):
        host, _, port = server.http.addresses[0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PUT /x HTTP/1.1\r\nHost:")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()

    async def test_uploads_of_one_user_are_bounded(self, server):
        slots = [await server.slot(len(DATA)) for _ in range(3)]
        answers = await asyncio.gather(
            *(raw(server, put, [f"Content-Length: {len(DATA)}"], DATA[:-1]) for put, _, _ in slots)
        )
        assert sorted(answer[:12] for answer in answers) == [b"HTTP/1.1 408"] * 2 + [b"HTTP/1.1 503"]
        assert server.uploads.intake.running.total() == 0


async def test_only_who_may_upload_is_told_to_continue(server):
    put, _, _ = await server.slot(3)
    lines = ["Content-Length: 3", "Expect: 100-continue"]
    assert (await raw(server, put + "x", lines)).startswith(b"HTTP/1.1 403")
    assert await raw(server, put, lines) == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_full_disk_is_told_and_forgotten(server, monkeypatch):
    put, _, _ = await server.slot(len(DATA))

    async def full(_self, _data):
        raise FullError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("components.xmpp_files.disk.DiskUpload.write", full)
        assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 507
    assert server.files() == server.parts() == []
    assert await server.put(put, DATA, **{"Content-Type": "image/jpeg"}) == 201


class TestScanner:
    """A command looks at each file."""

    @pytest.fixture
    def scan_command(self):
        return ("sh", "-c", 'grep -q VIRUS "$0" && exit 1; grep -q STRANGE "$0" && exit 7; exit 0', "{path}")

    @pytest.mark.parametrize(("data", "status"), [(b"fine", 201), (b"a VIRUS", 422), (b"STRANGE", 503)])
    async def test_only_clean_files_are_stored(self, server, data, status):
        put, _, _ = await server.slot(len(data))
        assert await server.put(put, data, **{"Content-Type": "image/jpeg"}) == status
        assert len(server.files()) == (status == 201)
        assert server.parts() == []


async def test_left_parts_are_removed_at_the_start(server):
    left = await server.storage.begin("a" * 24, 1)
    await left.write(b"x")
    assert len(server.parts()) == 1
    await server.storage.open()
    assert server.parts() == []
    await left.abort()
