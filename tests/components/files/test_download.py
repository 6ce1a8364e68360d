"""GET and HEAD over real HTTP: headers, ranges, resumed downloads."""

from __future__ import annotations

import time

import pytest

DATA = bytes(range(256)) * 8192  # 2 MiB


async def test_headers_keep_browsers_safe(server):
    url = await server.stored(b"<script>", name="x.html", content_type="text/html")
    async with server.client.get(url) as answer:
        headers = answer.headers
        assert headers["Content-Type"] == "text/html"
        assert headers["Content-Disposition"].startswith('attachment; filename="x.html"')
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/jpeg", "inline"),
        ("video/mp4", "inline"),
        ("image/svg+xml", "attachment"),
        ("text/html", "attachment"),
        ("application/xml", "attachment"),
        ("application/pdf", "attachment"),
    ],
)
async def test_only_harmless_types_are_shown(server, content_type, kind):
    url = await server.stored(b"x", content_type=content_type)
    async with server.client.head(url) as answer:
        assert answer.headers["Content-Disposition"].partition(";")[0] == kind


async def test_errors_have_the_headers_too(server):
    for url in (server.http.url + "/nothing", server.http.url + "/" + "a" * 24 + "/x"):
        async with server.client.get(url) as answer:
            assert answer.status == 404
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_browsers_may_ask_before_they_upload(server):
    put, _, _ = await server.slot(1)
    ask = {"Origin": "https://web.example", "Access-Control-Request-Method": "PUT"}
    async with server.client.options(put, headers=ask) as answer:
        assert answer.status == 204
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
        assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


async def test_head_tells_all_but_the_bytes(server):
    url = await server.stored(DATA)
    async with server.client.head(url) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, str(len(DATA)), b"")
        assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=1000000-", 1_000_000, len(DATA)), ("bytes=-5", -5, None)],
)
async def test_a_part_is_sent(server, asked, start, end):
    url = await server.stored(DATA)
    async with server.client.get(url, headers={"Range": asked}) as answer:
        assert answer.status == 206
        assert await answer.read() == DATA[start:end]
        assert answer.headers["Content-Range"].endswith(f"/{len(DATA)}")


async def test_a_part_behind_the_end_is_refused(server):
    url = await server.stored(DATA)
    async with server.client.get(url, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


async def test_a_cut_download_is_resumed(server):
    url = await server.stored(DATA)
    async with server.client.get(url) as answer:
        etag = answer.headers["ETag"]
        got = await answer.content.readexactly(700_001)
        answer.close()
    headers = {"Range": f"bytes={len(got)}-", "If-Range": etag}
    async with server.client.get(url, headers=headers) as answer:
        assert answer.status == 206
        assert got + await answer.read() == DATA
    async with server.client.get(url, headers={**headers, "If-Range": '"another"'}) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)


async def test_what_the_client_has_is_not_sent_again(server):
    url = await server.stored(DATA)
    async with server.client.get(url) as answer:
        etag = answer.headers["ETag"]
    async with server.client.get(url, headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_another_name_is_another_file(server):
    url = await server.stored(DATA)
    async with server.client.get(url.rpartition("/")[0] + "/x.exe") as answer:
        assert answer.status == 404


async def test_an_expired_file_is_gone_before_it_is_purged(server):
    data = b"secret"
    put, get, _ = await server.slot(len(data), expires=int(time.time()))
    assert await server.put(put, data, **{"Content-Type": "image/jpeg"}) == 201
    assert len(server.files()) == 1
    async with server.client.get(get) as answer:
        assert answer.status == 404


async def test_without_thumbnails_who_asks_for_one_gets_the_file(server):
    url = await server.stored(b"abc")
    async with server.client.get(f"{url}?thumbnail") as answer:
        assert await answer.read() == b"abc"
