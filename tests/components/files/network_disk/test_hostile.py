"""The pages as those use them who should not: other sites, other users, odd names, broken and endless forms."""

from __future__ import annotations

import asyncio

import pytest

from tests.components.files.network_disk.conftest import JULIET, ROMEO, listed
from tests.components.waiting import until


async def test_no_form_of_another_site_does_anything(server, romeo):
    entry = await server.stored("x.txt")
    csrf = await romeo.csrf()
    fields = {"items": f"e{entry}", "store": ROMEO, "folder": "0"}
    for headers in ({"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await romeo.post("/disk/do/delete", headers, csrf=csrf, **fields)).status == 403
    for forged in ("", "0" * 64, csrf[:-1], "ü"):
        assert (await romeo.post("/disk/do/delete", None, csrf=forged, **fields)).status == 403
        assert (await romeo.put(("y.txt", b"y"), csrf=forged or "0")).status == 403
    assert len(server.files()) == 1
    assert listed((await romeo.get("/disk/")).text) == ["Uploads", "x.txt"]


async def test_the_token_of_one_session_is_not_anothers(server, romeo, juliet):
    assert (await romeo.put(("y.txt", b"y"), csrf=await juliet.csrf())).status == 403


@pytest.mark.parametrize("cookie", [b"\xff\xfe", b'"\xed\xa0\x80"', b"%00"])
async def test_cookies_that_are_no_text_are_nobodys(server, cookie):
    host, _, port = server.http.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /disk/ HTTP/1.1\r\nHost: x\r\nCookie: disk=" + cookie + b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert b" 403 " in await reader.readline()
    writer.close()


async def test_the_files_of_others_are_out_of_reach(server, romeo, juliet):
    entry = await server.stored("x.txt")
    folder = (await server.disk.make_folder(ROMEO, ROMEO, 0, "Photos", 1)).id
    upload = await server.upload()
    for path in (f"/disk/entry/{entry}", f"/disk/get/{entry}/x.txt", f"/disk/?store={ROMEO}"):
        assert (await juliet.get(path)).status == 403
    assert (await juliet.get(f"/disk/?folder={folder}")).status == 404
    tries = [
        ("delete", {"items": f"e{entry}", "store": ROMEO}),
        ("delete", {"items": f"u{upload.id}", "store": JULIET}),
        ("rename", {"entry": str(entry), "name": "mine"}),
        ("move", {"items": f"e{entry}", "store": JULIET, "to": "/"}),
        ("uploads", {"items": f"u{upload.id}", "to": "/", "do": "move"}),
        ("share", {"entry": str(entry)}),
        ("make-folder", {"store": ROMEO, "folder": "0", "name": "x"}),
        ("make-folder", {"store": JULIET, "folder": str(folder), "name": "x"}),
    ]
    for action, fields in tries:
        assert (await juliet.do(action, **fields)).status in (403, 404), action
    assert (await juliet.put(("y", b"y"), store=ROMEO)).status == 403
    assert (await juliet.put(("y", b"y"), store=JULIET, folder=str(folder))).status == 404
    assert len(server.files()) == 2
    assert await server.used(JULIET) == 0


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "../../etc/passwd", "a\\b", "\x00", "\u202etxt.exe", "x" * 181, " "]
)
async def test_names_that_are_none_are_refused(server, romeo, name):
    assert (await romeo.do("make-folder", store=ROMEO, folder="0", name=name)).status == 400


async def test_names_of_files_that_are_put_are_tamed(server, romeo):
    answer = await romeo.put(("../../etc/passwd", b"x"), ("C:\\boot.ini", b"x"), ("cafe\u0301", b"x"))
    assert listed(answer.text) == ["Uploads", "boot.ini", "caf\u00e9", "passwd"]


async def test_files_of_one_name_put_at_one_time_all_stay(server, romeo):
    answers = await asyncio.gather(*(romeo.put(("x.txt", str(number).encode())) for number in range(4)))
    assert {answer.status for answer in answers} == {200}
    assert listed((await romeo.get("/disk/")).text) == ["Uploads", "x (2).txt", "x (3).txt", "x (4).txt", "x.txt"]
    assert sorted(path.read_text() for path in server.files()) == ["0", "1", "2", "3"]


async def test_too_many_at_one_time_are_refused(server, romeo):
    server.uploads.intake.running.update({server.disk.signer.uploader(ROMEO): 4})
    assert (await romeo.put(("x.txt", b"x"))).status == 503
    assert await server.used() == 0


async def test_a_large_file_is_refused(server, romeo):
    assert (await romeo.put(("x.txt", bytes(1_000_001)))).status in (413, 507)
    assert (await server.used(), server.files(), server.parts()) == (0, [], [])


async def test_a_full_disk_leaves_no_trace(server, romeo, monkeypatch):
    def full(_handle: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        assert (await romeo.put(("x.txt", b"x"))).status == 507
    assert (await server.used(), server.files(), server.parts()) == (0, [], [])
    assert (await romeo.put(("x.txt", b"x"))).status == 200


async def test_a_slow_or_cut_form_leaves_no_trace(server, romeo):
    csrf, (cookie,) = await romeo.csrf(), romeo.client.cookie_jar
    fields = {"csrf": csrf, "store": ROMEO, "folder": "0"}
    frame = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    frame += '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + "x" * 300_000
    head = (
        f"POST /disk/do/put HTTP/1.1\r\nHost: x\r\nCookie: disk={cookie.value}\r\nContent-Length: 900000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    host, _, port = server.http.addresses[0].rpartition(":")
    for is_cut in (True, False):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write((head + frame).encode())
        await writer.drain()
        if is_cut:
            await until(lambda: bool(server.parts()))
            writer.close()
        else:
            async with asyncio.timeout(10):
                assert b" 408 " in await reader.readline()
            writer.close()
        await until(lambda: not server.parts() and not server.uploads.intake.running.total())
        assert (await server.used(), server.files(), server.parts()) == (0, [], [])


async def test_a_client_that_waits_is_told_to_go_on_if_it_may(server, romeo):
    csrf, (cookie,) = await romeo.csrf(), romeo.client.cookie_jar
    body = b"--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\n" + csrf.encode() + b"\r\n--x--\r\n"
    host, _, port = server.http.addresses[0].rpartition(":")
    for secret, expected in ((cookie.value, b" 100 "), ("forged", b" 403 ")):
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /disk/do/put HTTP/1.1\r\nHost: x\r\nCookie: disk={secret}\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert expected in await reader.readline()
        writer.write(body)
        writer.close()


@pytest.mark.parametrize(
    "query", ["after=%ED%A0%80", "after=1%00", "folder=-1", "folder=9e9", "store=%40%40", "after="]
)
async def test_odd_queries_do_no_harm(server, romeo, query):
    for path in ("", "uploads", "shares", "shared"):
        assert (await romeo.get(f"/disk/{path}?{query}")).status in (200, 400, 403, 404)


async def test_damaged_forms_are_refused(server, romeo):
    url = server.http.url + "/disk/do/put"
    for body, content_type in (
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n", "multipart/form-data"),
        (b"csrf=1", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
    ):
        headers = {"Content-Type": content_type, "Origin": server.http.url}
        async with romeo.client.post(url, data=body, headers=headers) as answer:
            assert answer.status in (400, 403, 415), (body, content_type)
    async with romeo.client.post(
        server.http.url + "/disk/do/delete", data=b"a=" + b"x" * 70_000, headers={"Origin": server.http.url}
    ) as answer:
        assert answer.status in (413, 415)
