"""The pages in a real browser over TLS, with and without its scripts; what another page makes it send."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from tests.components.files.network_disk.people import Person, online
from tests.components.files.xmpp_peers import Ours, Program
from tests.peers import DOMAIN
from tests.webdriver import Browser, Browsers, browsers

ROMEO = f"romeo@{DOMAIN}"
SETTINGS = "[quota]\nmin_free_bytes = 0\n[upload]\nmax_file_bytes = 100000\n"


@pytest.fixture(scope="module")
def xmpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    with Ours(tmp_path_factory.mktemp("ours") / "server").running() as server:
        yield server


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "tls.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def program(xmpp: Ours, pem: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    doors = f'certificate = "{pem}"\nkey = "{pem}"'
    program = Program(tmp_path_factory.mktemp("files"), xmpp.component[1], doors=doors, more=SETTINGS)
    with program.serving():
        yield program


@pytest.fixture
async def romeo(xmpp: Ours, program: Program) -> AsyncIterator[Person]:
    person = await online("romeo", xmpp.c2s)
    yield person
    await person.offline()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Browsers]:
    async with browsers(tmp_path) as opened:
        yield opened


async def logged_in(person: Person, desk: Browsers, *, scripts: bool = True) -> Browser:
    browser = await desk.new(scripts=scripts)
    await browser.open((await person.run("disk/browse")).value("url"))
    await browser.click("form button")
    await browser.shows("Space: ")
    return browser


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_day_with_the_disk(romeo, desk, tmp_path, scripts):
    (tmp_path / "rose <b>.txt").write_text("a rose")
    (tmp_path / "large.bin").write_bytes(bytes(100_001))
    browser = await logged_in(romeo, desk, scripts=scripts)
    (cookie,) = await browser.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (
        "__Host-disk", True, True, "Strict"
    )  # fmt: skip
    await browser.type("form.make-folder input[name=name]", "Letters")
    await browser.click("form.make-folder button")
    await browser.find("a.folder[href*='folder=']")
    await browser.type("form.put input[type=file]", str(tmp_path / "rose <b>.txt"))
    await browser.click("form.put button")
    await browser.shows("rose <b>.txt")
    assert await browser.texts("a.file") == ["rose <b>.txt"]
    await browser.click("a.more[href]")  # the folder's
    await browser.shows("put here by")
    await browser.open((await browser.url()).partition("/disk/")[0] + "/disk/")

    listed = (await romeo.run("disk/list", {"folder": "/"})).rows
    (item,) = [row["item"] for row in listed if row["name"] == "rose <b>.txt"]
    await browser.click(f"a.more[href$='/entry/{item[1:]}']")
    await browser.type("form.move input[name=to]", "/letters")
    await browser.click("form.move button")
    await browser.shows("rose <b>.txt")
    await browser.click(f"a.more[href$='/entry/{item[1:]}']")
    await browser.click("form.share button")
    await browser.shows("Nobody was told")
    link = await browser.text("#link")

    stranger = await desk.new()
    await stranger.open(link)
    await stranger.shows("a rose")
    assert await stranger.cookies() == []
    await stranger.open(link.partition("/disk/")[0] + "/disk/")
    await stranger.shows("Ask upload.localhost for a link")

    await browser.open(link.partition("/disk/")[0] + "/disk/")
    await browser.type("form.put input[type=file]", str(tmp_path / "large.bin"))
    await browser.click("form.put button")
    await browser.shows("large.bin: it is too large" if scripts else "More than 100000 bytes")
    await browser.open(link.partition("/disk/")[0] + "/disk/")
    await browser.click("input[aria-label='Letters']")
    await browser.click("form.delete button")
    if scripts:
        await browser.accept()
    await browser.shows("Space: 0 bytes")
    await stranger.open(link)
    await stranger.shows("leads nowhere")
    await browser.click("form.log-out button")
    await browser.shows("You are logged out")
    assert await browser.cookies() == []
    assert [one for one in await browser.complaints() if "Content Security Policy" in one] == []


async def test_a_page_of_another_origin_does_nothing(romeo, desk, pem):
    """On the same host, so that the browser sends the cookie along: only the port is another."""
    await romeo.run("disk/make-folder", {"folder": "/", "name": "Precious"})
    browser = await logged_in(romeo, desk)
    (item,) = [row["item"] for row in (await romeo.run("disk/list", {"folder": "/"})).rows if row["name"] == "Precious"]
    disk = (await browser.url()).partition("/disk/")[0] + "/disk/"

    async def evil(_request: web.Request) -> web.Response:
        page = (
            f"<form method=post action='{disk}do/delete'><input name=items value={item}>"
            f"<input name=store value={ROMEO}></form><script>document.forms[0].submit()</script>"
        )
        return web.Response(text=page, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", evil)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        await browser.open(f"https://127.0.0.1:{runner.addresses[0][1]}/")
        await browser.shows("This does not come from a page of these files")
    finally:
        await runner.cleanup()
    assert "Precious" in (await romeo.run("disk/list", {"folder": "/"})).names
    await romeo.run("disk/delete", {"folder": "/", "names": "Precious"})


async def test_scripts_in_files_do_not_run(romeo, desk, tmp_path):
    (tmp_path / "evil.txt").write_text("<script>document.title = 'evil'</script>")
    (tmp_path / "evil.svg").write_text(
        "<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='evil'</script></svg>"
    )
    browser = await logged_in(romeo, desk)
    await browser.type("form.put input[type=file]", f"{tmp_path}/evil.txt\n{tmp_path}/evil.svg")
    await browser.click("form.put button")
    await browser.shows("evil.txt")
    await browser.shows("evil.svg")
    for name in ("evil.txt", "evil.svg"):
        (item,) = [row["item"] for row in (await romeo.run("disk/list", {"folder": "/"})).rows if row["name"] == name]
        await browser.open((await browser.url()).partition("/disk/")[0] + f"/disk/get/{item[1:]}/{name}")
        assert "evil" not in str(await browser.run("return document.title"))
        assert await browser.run("return window.origin") in ("null", (await browser.url()).partition("/disk/")[0])
        await romeo.run("disk/delete", {"folder": "/", "items": item})
