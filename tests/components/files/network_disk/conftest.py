"""A network disk with a real store, index and HTTP server; what rooms say is a table of the test."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from components.xmpp_component.link import Link
from components.xmpp_component.settings import Server
from components.xmpp_files.access import Access
from components.xmpp_files.disk import DiskStorage
from components.xmpp_files.download import Downloads
from components.xmpp_files.http import HttpServer
from components.xmpp_files.index import File, Index
from components.xmpp_files.intake import Intake
from components.xmpp_files.metrics import Metrics
from components.xmpp_files.network_disk.actions import Actions
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.notices import Notices
from components.xmpp_files.network_disk.receive import Receiver
from components.xmpp_files.network_disk.settings import DiskSettings
from components.xmpp_files.network_disk.sharing import Sharing
from components.xmpp_files.network_disk.stores import Right, Stores
from components.xmpp_files.network_disk.visits import Visits
from components.xmpp_files.network_disk.web import Website
from components.xmpp_files.purge import Purge
from components.xmpp_files.quota import Limits
from components.xmpp_files.scanner import Scanner
from components.xmpp_files.settings import INLINE, HttpSettings, UploadSettings
from components.xmpp_files.slots import SlotSigner, new_id
from components.xmpp_files.storage import Storage
from components.xmpp_files.upload import Uploads

ROMEO, JULIET = "romeo@montague.test", "juliet@montague.test"
ROOM = "balcony@conference.montague.test"
FREE = Limits(0, 0, 0, 0)
NOW = 1_700_000_000


@dataclass
class RoomTable:
    """Who is what in which room."""

    rights: dict[tuple[str, str], Right] = field(default_factory=dict)

    async def right(self, room: str, who: str) -> Right:
        if not any(known == room for known, _ in self.rights):
            raise DiskError(Reason.FORBIDDEN, "The room does not tell")
        return self.rights.get((room, who), Right.NONE)


@dataclass
class DiskServer:
    """What a test needs of it."""

    folder: Path
    disk: Disk
    sharing: Sharing
    http: HttpServer
    rooms: RoomTable
    uploads: Uploads

    async def upload(self, name: str = "cat.jpg", owner: str = ROMEO, purpose: str = "message", **keys: object) -> File:
        """Upload a file as XEP-0363 does; it has the name as its content."""
        now = int(time.time())
        data = name.encode()
        file = File(new_id(), owner, "montague.test", name, len(data), "image/jpeg", purpose, now, now + 1000, now + 9)
        assert await self.disk.index.reserve(file, FREE) is None
        await self.put(file.id, data)
        return file

    async def put(self, file_id: str, data: bytes) -> None:
        upload = await self.disk.storage.begin(file_id, len(data))
        await upload.write(data)
        await upload.seal()
        await upload.commit()
        await self.disk.index.settle(file_id)

    async def stored(self, name: str, data: bytes = b"data", parent: int = 0, store: str = ROMEO, who: str = "") -> int:
        """Put a file into a store; return its entry."""
        now = int(time.time())
        who = who or store
        file = await self.disk.reserve(who, store, parent, len(data) + 100, "text/plain", now, now, None)
        upload = await self.disk.storage.begin(file.id, len(data))
        await upload.write(data)
        await upload.seal()
        await upload.commit()
        return (await self.disk.settle(who, file, parent, name, len(data), now)).id

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]

    def parts(self) -> list[Path]:
        return list((self.folder / "parts").iterdir())

    async def used(self, store: str = ROMEO) -> int:
        return (await self.disk.index.usage(store, "montague.test", NOW)).user_bytes

    async def purge(self) -> None:
        await Purge(self.disk.index, self.disk.storage).once(int(time.time()))

    async def browser(self, who: str = ROMEO) -> Browser:
        """Log somebody in."""
        browser = Browser(self.http.url)
        url = await self.disk.login_url(who, int(time.time()))
        assert (await browser.post(url)).status == 200
        return browser


@dataclass
class Answer:
    status: int
    text: str
    headers: object
    url: str


class Browser:
    """A browser without scripts: it keeps cookies, follows redirects, and sends what browsers send."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._csrf = ""

    async def get(self, path: str) -> Answer:
        url = path if path.startswith("http") else self.url + path
        async with self.client.get(url) as answer:
            return Answer(answer.status, await answer.text(), answer.headers, str(answer.url))

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str | list[str]) -> Answer:
        url = path if path.startswith("http") else self.url + path
        own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        pairs = [(key, one) for key, value in fields.items() for one in ([value] if isinstance(value, str) else value)]
        async with self.client.post(url, data=aiohttp.FormData(pairs), headers=own) as answer:
            return Answer(answer.status, await answer.text(), answer.headers, str(answer.url))

    async def do(self, action: str, **fields: str | list[str]) -> Answer:
        """Send a form of ours."""
        return await self.post(f"/disk/do/{action}", csrf=await self.csrf(), **fields)

    async def put(self, *files: tuple[str, bytes], store: str = ROMEO, folder: str = "0", csrf: str = "") -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        for name, value in (("csrf", csrf or await self.csrf()), ("store", store), ("folder", folder)):
            form.add_field(name, value)
        for name, data in files:
            form.add_field("file", data, filename=name, content_type="text/plain")
        async with self.client.post(self.url + "/disk/do/put", data=form, headers={"Origin": self.url}) as answer:
            return Answer(answer.status, await answer.text(), answer.headers, str(answer.url))

    async def csrf(self) -> str:
        if not self._csrf:
            page = (await self.get("/disk/shared")).text
            self._csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
            assert self._csrf
        return self._csrf


def listed(page: str) -> list[str]:
    """What a page lists."""
    return re.findall(r'<a href="[^"]+" class="(?:folder|file)">([^<]+)</a>', page)


@pytest.fixture
def disk_settings() -> DiskSettings:
    return DiskSettings(page_entries=5, entries=50)


@pytest.fixture
def limits() -> Limits:
    return FREE


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return DiskStorage(tmp_path)


@pytest.fixture
async def server(
    tmp_path: Path, storage: Storage, http_settings: HttpSettings, disk_settings: DiskSettings, limits: Limits
) -> AsyncIterator[DiskServer]:
    signer, rooms = SlotSigner(b"k" * 32), RoomTable()
    index = Index(tmp_path / "index.db")
    await storage.open()
    await index.open()
    settings = UploadSettings(domain="upload.montague.test", max_file_bytes=1_000_000)
    http_settings = replace(http_settings, idle_timeout_s=2.0)
    uploads = Uploads(signer, index, Intake(storage, Scanner((), 5.0), http_settings, Counter()))
    downloads = Downloads(storage, index, INLINE, http_settings.idle_timeout_s)
    stores = Stores(Access((), settings.domain), frozenset({"conference.montague.test"}), rooms.right)
    doors: list[HttpServer] = []
    disk = Disk(disk_settings, settings, limits, index, storage, signer, stores, lambda: doors[0].url)
    link = Link(settings.domain, Server(secret="secret"))
    sharing = Sharing(disk, Notices(link, stores, disk_settings.messages_per_hour))
    visits = Visits(index, disk_settings.session_s, lambda: doors[0].url)
    website = Website(Actions(disk, sharing, visits, Receiver(disk, uploads.intake)), downloads, settings.domain)
    http = HttpServer(http_settings, uploads, downloads, Metrics(CollectorRegistry()), {"/disk": website.application()})
    doors.append(http)
    await http.start()
    yield DiskServer(tmp_path, disk, sharing, http, rooms, uploads)
    await http.stop()
    await index.close()
    await storage.close()


@pytest.fixture
async def romeo(server: DiskServer) -> AsyncIterator[Browser]:
    browser = await server.browser()
    yield browser
    await browser.client.close()


@pytest.fixture
async def juliet(server: DiskServer) -> AsyncIterator[Browser]:
    browser = await server.browser(JULIET)
    yield browser
    await browser.client.close()


@pytest.fixture
async def stranger(server: DiskServer) -> AsyncIterator[Browser]:
    browser = Browser(server.http.url)
    yield browser
    await browser.client.close()
