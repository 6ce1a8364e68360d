"""The network disk plugged into real servers, driven by slixmpp: ad-hoc commands, rooms, shares."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import slixmpp
from slixmpp.exceptions import IqError

from tests.components.files.network_disk.people import CONFERENCE, NS_COMMANDS, UPLOAD, Person, online
from tests.components.files.xmpp_peers import Ours, Program, Prosody, Server
from tests.peers import DOMAIN

SETTINGS = """
[upload]
max_file_bytes = 100000
[quota]
min_free_bytes = 0
user_bytes = 300000
[disk]
page_entries = 5
check_interval_s = 1.0
"""
ROMEO, JULIET = f"romeo@{DOMAIN}", f"juliet@{DOMAIN}"


@pytest.fixture(scope="module", params=[Ours, Prosody])
def xmpp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server: Server = request.param(tmp_path_factory.mktemp(request.param.__name__.lower()) / "server")
    with server.running():
        yield server


@pytest.fixture(scope="module")
def program(xmpp: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("files"), xmpp.component[1], more=SETTINGS).serving() as program:
        yield program


@pytest.fixture
async def romeo(xmpp: Server, program: Program) -> AsyncIterator[Person]:
    person = await online("romeo", xmpp.c2s)
    yield person
    await person.offline()


@pytest.fixture
async def juliet(xmpp: Server, program: Program) -> AsyncIterator[Person]:
    person = await online("juliet", xmpp.c2s)
    yield person
    await person.offline()


async def put(person: Person, name: str, data: bytes, **fields: str) -> None:
    """Put a file by the address that a command gives."""
    answer = await person.run("disk/put", {"folder": "/", "name": name, "size": str(len(data)), **fields})
    async with (
        aiohttp.ClientSession() as session,
        session.put(
            answer.value("url"), data=data, headers={"Content-Type": fields.get("type", "application/octet-stream")}
        ) as response,
    ):
        assert response.status == 201


def keeper(xmpp: Server) -> dict[str, str]:
    """Who must be what in a room for it to have files: Prosody does not tell admins who the owners are."""
    return {"owner" if isinstance(xmpp, Prosody) else "admin": UPLOAD}


async def refused(person: Person, node: str, fields: dict[str, str | list[str]]) -> str:
    with pytest.raises(IqError) as error:
        await person.run(node, fields)
    return str(error.value.condition)


async def fetched(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read()


async def test_the_commands_are_discovered(romeo):
    disco = romeo.plugin["xep_0030"]
    assert NS_COMMANDS in (await disco.get_info(slixmpp.JID(UPLOAD)))["disco_info"]["features"]
    items = (await disco.get_items(slixmpp.JID(UPLOAD), node=NS_COMMANDS))["disco_items"]["items"]
    nodes = [node for _, node, _ in items]
    assert len(nodes) == 13
    info = (await disco.get_info(slixmpp.JID(UPLOAD), node="disk/list"))["disco_info"]
    assert ("automation", "command-node", None, "Files: list") in info["identities"]


async def test_a_client_is_led_through_the_forms(romeo):
    await put(romeo, "led.txt", b"led")
    first = await romeo.run("disk/delete")
    assert (first.status, first.fields) == ("executing", {"store", "folder"})
    assert first.value("store") == ROMEO
    second = await romeo.run("disk/delete", {"store": ROMEO, "folder": "/"}, action="next", session=first.session)
    assert second.status == "executing"
    item = second.options("items")["led.txt"]
    cancelled = await romeo.run("disk/delete", action="cancel", session=second.session)
    assert cancelled.status == "canceled"
    done = await romeo.run("disk/delete", {"items": [item]}, action="complete", session=second.session)
    assert (done.status, done.note) == ("completed", "Deleted: 1")
    assert "led.txt" not in (await romeo.run("disk/list", {"folder": "/"})).names


async def test_files_and_folders(romeo, program):
    before = (await romeo.run("disk/quota", {"store": ROMEO})).value("used_bytes")
    await romeo.run("disk/make-folder", {"folder": "/", "name": "Letters"})
    await put(romeo, "sonnet.txt", b"But soft", folder="/Letters", type="text/plain")
    listed = await romeo.run("disk/list", {"folder": "Letters"})
    assert [(row["name"], row["size"], row["kind"]) for row in listed.rows] == [("sonnet.txt", "8", "text/plain")]
    await romeo.run("disk/rename", {"folder": "/Letters", "names": "sonnet.txt", "name": "Sonett \u2665.txt"})
    assert await refused(romeo, "disk/make-folder", {"folder": "/", "name": "LETTERS"}) == "not-acceptable"
    await romeo.run("disk/move", {"folder": "/Letters", "names": "sonett \u2665.txt", "to": "/"})
    assert "Sonett \u2665.txt" in (await romeo.run("disk/list", {"folder": "/"})).names
    used = (await romeo.run("disk/quota", {"store": ROMEO})).value("used_bytes")
    assert int(used) == int(before) + 8
    await romeo.run("disk/delete", {"folder": "/", "names": ["Sonett \u2665.txt", "Letters"]})
    assert (await romeo.run("disk/quota", {"store": ROMEO})).value("used_bytes") == before


async def test_a_long_folder_comes_by_pages(romeo):
    await romeo.run("disk/make-folder", {"folder": "/", "name": "Many"})
    for number in range(7):
        await romeo.run("disk/make-folder", {"folder": "/Many", "name": f"{number}"})
    first = await romeo.run("disk/list", {"folder": "/Many"})
    assert (first.status, first.actions) == ("executing", {"next", "complete"})
    second = await romeo.run("disk/list", action="next", session=first.session)
    assert (second.status, first.names + second.names) == ("completed", [str(number) for number in range(7)])
    done = await romeo.run("disk/list", action="complete", session=first.session)
    assert done.status == "completed"


async def test_uploads_are_there_and_can_be_kept(romeo):
    url = await romeo.plugin["xep_0363"].upload_file("balcony.jpg", input_file=io.BytesIO(b"scene"))
    listed = await romeo.run("disk/list", {"folder": "/Uploads"})
    (row,) = [row for row in listed.rows if row["name"] == "balcony.jpg"]
    assert row["expires"] != "never"
    await romeo.run("disk/move", {"folder": "/Uploads", "items": [row["item"]], "to": "/"})
    assert "balcony.jpg" not in (await romeo.run("disk/list", {"folder": "/Uploads"})).names
    assert await fetched(url) == (200, b"scene")
    await romeo.run("disk/delete", {"folder": "/", "names": "balcony.jpg"})
    assert (await fetched(url))[0] == 404


async def test_a_share_reaches_a_contact_and_is_taken_back(romeo, juliet):
    await put(romeo, "rose.txt", b"rose")
    told = asyncio.create_task(juliet.oob("rose.txt"))
    answer = await romeo.run("disk/share", {"folder": "/", "names": "rose.txt", "with": f"{JULIET}/phone", "hours": ""})
    assert answer.note == f"{JULIET} was told"
    sender, text, link = await told
    assert (sender, link) == (UPLOAD, answer.value("url"))
    assert text == f"{ROMEO} shares “rose.txt” with you: {link}"
    assert await fetched(link) == (200, b"rose")
    assert [row["url"] for row in (await juliet.run("disk/shared-with-me")).rows] == [link]
    choice = (await romeo.run("disk/unshare")).options("shares")
    await romeo.run("disk/unshare", {"shares": list(choice.values())})
    assert (await fetched(link))[0] == 404
    assert (await romeo.run("disk/shares", {"store": ROMEO})).rows == []


async def test_the_files_of_others_are_out_of_reach(romeo, juliet):
    await put(romeo, "diary.txt", b"secret")
    (item,) = [
        row["item"] for row in (await romeo.run("disk/list", {"folder": "/"})).rows if row["name"] == "diary.txt"
    ]
    assert await refused(juliet, "disk/list", {"store": ROMEO, "folder": "/"}) == "forbidden"
    for node in ("disk/delete", "disk/share"):
        assert await refused(juliet, node, {"folder": "/", "items": item, "with": ""}) == "forbidden"
    assert await refused(juliet, "disk/move", {"folder": "/", "items": item, "to": "/"}) == "forbidden"
    assert "diary.txt" in (await romeo.run("disk/list", {"folder": "/"})).names


async def test_quotas_and_sizes_are_told(juliet):
    error = await refused(juliet, "disk/put", {"folder": "/", "name": "x", "size": "100001"})
    assert error == "resource-constraint"
    for number in range(3):
        await juliet.run("disk/put", {"folder": "/", "name": f"slot {number}", "size": "95000"})
    assert await refused(juliet, "disk/put", {"folder": "/", "name": "x", "size": "95000"}) == "resource-constraint"


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 200, "a\u202eb"])
async def test_bad_names_are_refused(romeo, name):
    assert await refused(romeo, "disk/make-folder", {"folder": "/", "name": name}) == "bad-request"


@pytest.mark.parametrize("session", ["nonsense", "e30=e30=", "W10=", "A" * 20_000])
async def test_forged_sessions_are_refused(romeo, session):
    with pytest.raises(IqError) as error:
        await romeo.run("disk/list", action="next", session=session)
    assert error.value.condition in ("bad-request", "not-acceptable")


async def test_unknown_commands_and_actions_are_refused(romeo):
    for node, action in (("disk/format", "execute"), ("disk/list", "explode")):
        with pytest.raises((IqError, ValueError)):
            await romeo.run(node, action=action)


async def test_the_files_of_a_room(xmpp, romeo, juliet, program):
    room = await romeo.own_room("balcony", members=(JULIET,))
    assert await refused(romeo, "disk/list", {"store": room, "folder": "/"}) == "forbidden"
    other = await romeo.own_room("garden", members=(JULIET,), **keeper(xmpp))
    await put(romeo, "of romeo", b"x", store=other)
    await put(juliet, "of juliet", b"y", store=other)
    assert (await juliet.run("disk/list", {"store": other, "folder": "/"})).names == ["of juliet", "of romeo"]
    assert await refused(juliet, "disk/delete", {"store": other, "folder": "/", "names": "of romeo"}) == "forbidden"
    await juliet.plugin["xep_0045"].join_muc_wait(slixmpp.JID(other), "juliet", timeout=10)
    told = asyncio.create_task(juliet.oob("of romeo"))
    answer = await romeo.run("disk/share", {"store": other, "folder": "/", "names": "of romeo", "with": other})
    assert answer.note == f"{other} was told"
    sender, _, link = await told
    assert sender == other
    assert await fetched(link) == (200, b"x")
    await romeo.plugin["xep_0045"].destroy(slixmpp.JID(other))
    await asyncio.to_thread(program.wait_for, "disk-of-destroyed-room-removed")
    assert (await fetched(link))[0] == 404


async def test_nobody_reads_a_room_they_are_not_affiliated_with(xmpp, romeo, juliet):
    room = await romeo.own_room("secret", **keeper(xmpp))
    await put(romeo, "plan.txt", b"x", store=room)
    assert await refused(juliet, "disk/list", {"store": room, "folder": "/"}) == "forbidden"
    assert await refused(juliet, "disk/put", {"store": room, "folder": "/", "name": "x", "size": "1"}) == "forbidden"
    assert await refused(romeo, "disk/list", {"store": f"nobody@{CONFERENCE}", "folder": "/"}) == "forbidden"
    assert await refused(romeo, "disk/list", {"store": "room@conference.evil.test", "folder": "/"}) == "forbidden"


async def test_the_page_opens_once_for_who_has_asked(romeo):
    url = (await romeo.run("disk/browse")).value("url")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(url) as answer:
            assert (answer.status, ROMEO in await answer.text()) == (200, True)
        async with browser.post(url) as answer:
            assert answer.status == 403
        assert (await romeo.run("disk/log-out")).note == "Ended: 1"
        async with browser.get(url.partition("login")[0]) as answer:
            assert answer.status == 403
