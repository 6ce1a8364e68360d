"""The pages over real HTTP, as a browser without scripts has them, and as others try to have them."""

from __future__ import annotations

import re
import time

import pytest
from msgspec.structs import replace

from components.xmpp_files.network_disk.settings import DiskSettings
from components.xmpp_files.network_disk.stores import Right
from components.xmpp_files.quota import Limits
from tests.components.files.network_disk.conftest import JULIET, ROMEO, ROOM, listed


class TestLogin:
    async def test_a_link_logs_in_once(self, server, stranger):
        url = await server.disk.login_url(ROMEO, int(time.time()))
        for _ in range(2):  # programs that look at links do not use them up
            assert "Open the files of romeo@montague.test" in (await stranger.get(url)).text
        answer = await stranger.post(url)
        assert (answer.status, answer.url) == (200, f"{server.http.url}/disk/")
        again = await stranger.post(url)
        assert again.status == 403
        assert "used already" in again.text

    async def test_a_newer_link_ends_an_older_one(self, server, stranger):
        first = await server.disk.login_url(ROMEO, int(time.time()))
        await server.disk.login_url(ROMEO, int(time.time()))
        assert (await stranger.post(first)).status == 403

    @pytest.mark.parametrize("secret", ["x" * 43, "a.b", "A" * 600])
    async def test_a_forged_link_leads_nowhere(self, server, stranger, secret):
        assert (await stranger.post(f"/disk/login/{secret}")).status in (403, 404)

    async def test_a_link_ends(self, server, stranger):
        url = await server.disk.login_url(ROMEO, int(time.time()) - 301)
        assert (await stranger.get(url)).status == 403
        assert (await stranger.post(url)).status == 403

    async def test_no_other_site_logs_anybody_in(self, server, stranger):
        url = await server.disk.login_url(ROMEO, int(time.time()))
        for headers in ({"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await stranger.post(url, headers)).status == 403
        assert (await stranger.post(url)).status == 200

    async def test_the_cookie_is_for_our_pages_only(self, server, stranger):
        url = await server.disk.login_url(ROMEO, int(time.time()))
        async with stranger.client.post(url, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))

    async def test_without_a_session_there_is_a_hint(self, stranger):
        for path in ("/disk/", "/disk/uploads", "/disk/shares", "/disk/entry/1", "/disk/get/1/x"):
            answer = await stranger.get(path)
            assert answer.status == 403
            assert "Ask upload.montague.test for a link" in answer.text

    async def test_logging_out_ends_the_session(self, server, romeo):
        (cookie,) = romeo.client.cookie_jar
        assert (await romeo.do("log-out")).status == 200
        romeo.client.cookie_jar.update_cookies({cookie.key: cookie.value})
        assert (await romeo.get("/disk/")).status == 403

    async def test_somebody_can_log_out_everywhere(self, server, romeo, juliet):
        assert await server.disk.log_out_everywhere(ROMEO) == 1
        assert (await romeo.get("/disk/")).status == 403
        assert (await juliet.get("/disk/")).status == 200

    async def test_nobody_from_elsewhere_sees_a_store(self, server):
        mallory = await server.browser("mallory@evil.test")  # could be a member of a room
        assert "no files of your own" in (await mallory.get("/disk/")).text
        assert (await mallory.get(f"/disk/?store={ROMEO}")).status == 403
        await mallory.client.close()


class TestPages:
    async def test_headers_keep_the_pages_to_us(self, romeo):
        for path in ("/disk/", "/disk/nothing", "/disk/entry/99"):
            headers = (await romeo.get(path)).headers
            assert "Access-Control-Allow-Origin" not in headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        page = (await romeo.get("/disk/")).headers
        assert page["Cache-Control"] == "no-store"
        assert "script-src 'self'" in page["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert "unsafe" not in page["Content-Security-Policy"]

    async def test_names_are_text(self, server, romeo):
        evil = "<script>alert(1)<-script>\"'&.txt"
        await server.stored(evil)
        page = (await romeo.get("/disk/")).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

    async def test_a_folder_is_shown_by_pages(self, server, romeo):
        for number in range(12):
            await server.stored(f"file {number:02}")
        await romeo.do("make-folder", store=ROMEO, folder="0", name="Photos")
        path, seen = "/disk/", []
        while path:
            page = (await romeo.get(path)).text
            seen += listed(page)
            more = re.search(r'<a href="([^"]+)" id="more">', page)
            path = more[1].replace("&amp;", "&") if more else ""
        assert seen == ["Uploads", "Photos", *(f"file {number:02}" for number in range(12))]

    async def test_files_are_put_renamed_moved_and_deleted(self, server, romeo):
        answer = await romeo.put(("a.txt", b"one"), ("b.txt", b"two"))
        assert listed(answer.text) == ["Uploads", "a.txt", "b.txt"]
        await romeo.do("make-folder", store=ROMEO, folder="0", name="Letters")
        page = (await romeo.get("/disk/")).text
        entry = re.findall(r'name="items" value="e(\d+)" aria-label="a.txt"', page)[0]
        answer = await romeo.do("rename", entry=entry, name="balcony.txt")
        assert "<h1>balcony.txt</h1>" in answer.text
        answer = await romeo.do("move", store=ROMEO, items=f"e{entry}", to="/Letters")
        assert listed(answer.text) == ["balcony.txt"]
        answer = await romeo.get(f"/disk/get/{entry}/balcony.txt")
        assert (answer.text, answer.headers["Content-Disposition"].partition(";")[0]) == ("one", "inline")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        folder = re.findall(r'folder=(\d+)" class="folder">Letters', (await romeo.get("/disk/")).text)[0]
        await romeo.do("delete", items=f"e{folder}", store=ROMEO, folder="0")
        assert listed((await romeo.get("/disk/")).text) == ["Uploads", "b.txt"]
        assert len(server.files()) == 1
        assert await server.used() == 3

    async def test_downloads_are_resumed(self, server, romeo):
        entry = await server.stored("x.txt", b"0123456789")
        url = f"{server.http.url}/disk/get/{entry}/x.txt"
        async with romeo.client.get(url) as answer:
            etag = answer.headers["ETag"]
            assert answer.headers["Cache-Control"] == "private, no-cache"
        async with romeo.client.get(url, headers={"Range": "bytes=4-", "If-Range": etag}) as answer:
            assert (answer.status, await answer.read()) == (206, b"456789")
        async with romeo.client.get(url, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304

    async def test_uploads_are_shown_kept_and_deleted(self, server, romeo, stranger):
        kept, gone = await server.upload("kept.jpg"), await server.upload("gone.jpg")
        page = (await romeo.get("/disk/uploads")).text
        assert f"/{kept.id}/kept.jpg" in page
        await romeo.do("uploads", items=f"u{kept.id}", to="/", do="move")
        await romeo.do("uploads", items=f"u{gone.id}", to="/", do="delete")
        assert "kept.jpg" not in (await romeo.get("/disk/uploads")).text
        assert listed((await romeo.get("/disk/")).text) == ["Uploads", "kept.jpg"]
        assert (await server.disk.index.get(kept.id)).expires is None
        assert (await stranger.get(f"/{kept.id}/kept.jpg")).status == 200  # chats go on leading to it
        assert (await stranger.get(f"/{gone.id}/gone.jpg")).status == 404
        assert len(server.files()) == 1

    async def test_what_is_put_here_has_no_public_address(self, server, stranger):
        await server.stored("secret.txt")
        (path,) = server.files()
        for name in ("secret.txt", "", "%00", "x"):
            assert (await stranger.get(f"/{path.name}/{name}")).status == 404

    async def test_scripts_and_styles_are_served(self, stranger):
        for name, content_type in (("disk.js", "text/javascript"), ("disk.css", "text/css")):
            answer = await stranger.get(f"/disk/static/{name}")
            assert (answer.status, answer.headers["Content-Type"]) == (200, f"{content_type}; charset=utf-8")
        for name in ("../web.py", "..%2fweb.py", "web.py"):
            assert (await stranger.get(f"/disk/static/{name}")).status == 404


class TestShares:
    async def shared(self, browser, entry: int, **fields: str) -> str:
        page = (await browser.do("share", entry=str(entry), **{"with": "", "hours": "", **fields})).text
        return re.findall(r'<a href="([^"]+)" id="link"', page)[0]

    async def test_whoever_has_the_link_reads_the_file_until_it_is_taken_back(self, server, romeo, stranger):
        entry = await server.stored("x.txt", b"0123456789")
        link = await self.shared(romeo, entry)
        assert (await stranger.get(link)).text == "0123456789"
        async with stranger.client.get(link, headers={"Range": "bytes=8-"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"89")
        token = link.split("/")[5]
        assert token in (await romeo.get("/disk/shares")).text
        await romeo.do("revoke", token=token)
        assert (await stranger.get(link)).status == 404

    async def test_a_shared_folder_shows_what_is_in_it_and_nothing_else(self, server, romeo, stranger):
        folder = (await server.disk.make_folder(ROMEO, ROMEO, 0, "Photos", 1)).id
        await server.stored("cat.jpg", b"cat", folder)
        outside = await server.stored("secret.txt", b"secret")
        link = await self.shared(romeo, folder)
        page = await stranger.get(link)
        (inside,) = re.findall(r'<a href="([^"]+)">cat.jpg</a>', page.text)
        assert (await stranger.get(inside)).text == "cat"
        assert (await stranger.get(f"{link}?entry={outside}")).status == 404
        assert (await stranger.get(f"/disk/entry/{folder}")).status == 403

    async def test_a_share_ends_by_itself_and_with_its_file(self, server, romeo, stranger):
        entry = await server.stored("x.txt")
        link = await self.shared(romeo, entry, hours="1")
        await server.disk.index.change(lambda database: database.execute("UPDATE shares SET expires = 1"))
        assert (await stranger.get(link)).status == 404
        link = await self.shared(romeo, entry)
        await romeo.do("delete", items=f"e{entry}", store=ROMEO, folder="0")
        assert (await stranger.get(link)).status == 404

    async def test_nothing_is_shared_for_centuries(self, server, romeo):
        entry = await server.stored("x.txt")
        assert (await romeo.do("share", entry=str(entry), hours="9" * 15)).status == 400
        assert (await romeo.get("/disk/shares")).status == 200

    async def test_a_forged_token_leads_nowhere(self, server, romeo, stranger):
        entry = await server.stored("x.txt")
        link = await self.shared(romeo, entry)
        token = link.split("/")[5]
        forged = token[:-1] + ("A" if token[-1] != "A" else "B")
        assert (await stranger.get(link.replace(token, forged))).status == 404

    async def test_what_is_shared_with_somebody_is_in_their_list(self, server, romeo, juliet):
        entry = await server.stored("x.txt")
        answer = await romeo.do("share", entry=str(entry), **{"with": "Juliet@montague.test/phone", "hours": ""})
        assert "send the link yourself" in answer.text  # there is no XMPP server here
        assert "x.txt" in (await juliet.get("/disk/shared")).text
        assert "x.txt" not in (await romeo.get("/disk/shared")).text


class TestQuota:
    @pytest.fixture
    def limits(self):
        return Limits(10_000, 0, 0, 0)

    async def test_uploads_and_files_share_it(self, server, romeo):
        await server.upload("x" * 100)
        assert (await romeo.put(("y.txt", bytes(5000)))).status == 200
        assert await server.used() == 5100
        assert "5.0 KiB of 9.8 KiB" in (await romeo.get("/disk/")).text
        answer = await romeo.put(("z.txt", bytes(5000)))
        assert answer.status == 507
        assert "full" in answer.text
        assert await server.used() == 5100
        entry = re.findall(r'value="e(\d+)"', (await romeo.get("/disk/")).text)[0]
        await romeo.do("delete", items=f"e{entry}", store=ROMEO, folder="0")
        assert await server.used() == 100


class TestCounts:
    @pytest.fixture
    def disk_settings(self):
        return replace(DiskSettings(), entries=2)

    async def test_a_store_has_so_many_entries_at_most(self, server, romeo):
        assert (await romeo.put(("a", b"x"), ("b", b"x"))).status == 200
        assert (await romeo.put(("c", b"x"))).status == 507
        assert (await romeo.do("make-folder", store=ROMEO, folder="0", name="d")).status == 507


class TestRooms:
    async def test_members_see_all_and_change_their_own(self, server, romeo, juliet):
        server.rooms.rights.update({(ROOM, ROMEO): Right.OWNER, (ROOM, JULIET): Right.MEMBER})
        await romeo.put(("of romeo", b"x"), store=ROOM)
        await juliet.put(("of juliet", b"x"), store=ROOM)
        page = (await juliet.get(f"/disk/?store={ROOM}")).text
        assert listed(page) == ["of juliet", "of romeo"]
        of_juliet, of_romeo = re.findall(r'value="e(\d+)"', page)
        assert (await juliet.do("delete", items=f"e{of_romeo}", store=ROOM)).status == 403
        assert (await juliet.do("share", entry=of_romeo)).status == 403
        assert (await juliet.do("rename", entry=of_juliet, name="renamed")).status == 200
        assert (await romeo.do("delete", items=f"e{of_juliet}", store=ROOM)).status == 200
        assert len(server.files()) == 1

    async def test_a_folder_with_files_of_others_is_not_a_members(self, server, romeo, juliet):
        server.rooms.rights.update({(ROOM, ROMEO): Right.OWNER, (ROOM, JULIET): Right.MEMBER})
        folder = (await server.disk.make_folder(JULIET, ROOM, 0, "Letters", 1)).id
        await server.stored("of romeo", b"x", folder, ROOM, ROMEO)
        assert (await juliet.do("delete", items=f"e{folder}", store=ROOM)).status == 403

    async def test_members_see_what_is_shared_and_owners_end_it(self, server, romeo, juliet, stranger):
        server.rooms.rights.update({(ROOM, ROMEO): Right.OWNER, (ROOM, JULIET): Right.MEMBER})
        entries = {who: await server.stored(f"of {who}", store=ROOM, who=who) for who in (ROMEO, JULIET)}
        share = await server.disk.share(ROMEO, entries[ROMEO], "", 1, 0)
        other = await server.disk.share(JULIET, entries[JULIET], "", 1, 0)
        assert share.token in (await juliet.get(f"/disk/shares?store={ROOM}")).text
        assert (await juliet.do("revoke", token=share.token, store=ROOM)).status == 403
        answer = await romeo.do("revoke", token=other.token, store=ROOM)
        assert "of juliet" not in answer.text
        assert (await stranger.get(server.disk.share_url(share))).status == 200
        assert (await stranger.get(server.disk.share_url(other))).status == 404

    async def test_who_is_a_member_no_more_sees_nothing(self, server, juliet):
        server.rooms.rights.update({(ROOM, ROMEO): Right.OWNER, (ROOM, JULIET): Right.MEMBER})
        entry = await server.stored("x", b"x", 0, ROOM, JULIET)
        del server.rooms.rights[ROOM, JULIET]
        for path in (f"/disk/?store={ROOM}", f"/disk/entry/{entry}", f"/disk/get/{entry}/x"):
            assert (await juliet.get(path)).status == 403
        assert (await juliet.do("delete", items=f"e{entry}", store=ROOM)).status == 403
