"""A file server with a real store, index and HTTP server, without any XMPP."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, settings
from prometheus_client import CollectorRegistry

from components.xmpp_files.disk import DiskStorage
from components.xmpp_files.download import Downloads
from components.xmpp_files.http import HttpServer
from components.xmpp_files.index import File, Index
from components.xmpp_files.intake import Intake
from components.xmpp_files.metrics import Metrics
from components.xmpp_files.names import in_url
from components.xmpp_files.quota import Limits
from components.xmpp_files.scanner import Scanner
from components.xmpp_files.settings import INLINE, HttpSettings
from components.xmpp_files.slots import Slot, SlotSigner, new_id
from components.xmpp_files.storage import Storage
from components.xmpp_files.thumbnails import Thumbnails
from components.xmpp_files.upload import Uploads
from tests.components.files.s3_servers import S3Server, installed

FREE = Limits(0, 0, 0, 0)
OWNER = "romeo@montague.tld"


def pytest_configure(config: pytest.Config) -> None:
    # Other suites may be at work on this machine.
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@dataclass
class FileServer:
    """What a test needs of a running server."""

    folder: Path
    signer: SlotSigner
    index: Index
    storage: Storage
    http: HttpServer
    uploads: Uploads
    client: aiohttp.ClientSession
    registry: CollectorRegistry

    async def slot(
        self, size: int, name: str = "très cool.jpg", content_type: str = "image/jpeg", expires: int | None = None
    ) -> tuple[str, str, File]:
        """Return the URLs for PUT and GET, and the row."""
        now = int(time.time())
        file = File(new_id(), OWNER, "montague.tld", name, size, content_type, "message", now, expires, now + 300)
        assert await self.index.reserve(file, FREE) is None
        slot = Slot(file.id, name, size, content_type, self.signer.uploader(OWNER), now + 300)
        url = f"{self.http.url}/{file.id}/{in_url(name)}"
        return f"{url}?slot={self.signer.token(slot)}", url, file

    async def put(self, url: str, data: bytes, **headers: str) -> int:
        async with self.client.put(url, data=io.BytesIO(data), headers=headers) as answer:
            return answer.status

    async def stored(self, data: bytes, **keys: str) -> str:
        """Upload a file; return its URL."""
        put, get, file = await self.slot(len(data), **keys)
        assert await self.put(put, data, **{"Content-Type": file.content_type}) == 201
        return get

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]

    def parts(self) -> list[Path]:
        return list((self.folder / "parts").iterdir())


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with an empty bucket; tests that keep files there make it their `storage`."""
    server = installed(tmp_path_factory.mktemp("s3") / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def http_settings() -> HttpSettings:
    return HttpSettings(listen=("127.0.0.1:0",), idle_timeout_s=5.0, stop_timeout_s=1.0)


@pytest.fixture
def scan_command() -> tuple[str, ...]:
    return ()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return DiskStorage(tmp_path)


@pytest.fixture
def thumbnails() -> Thumbnails | None:
    return None


@pytest.fixture
async def server(
    tmp_path: Path,
    http_settings: HttpSettings,
    scan_command: tuple[str, ...],
    storage: Storage,
    thumbnails: Thumbnails | None,
) -> AsyncIterator[FileServer]:
    signer = SlotSigner(b"k" * 32)
    index = Index(tmp_path / "index.db")
    await storage.open()
    await index.open()
    uploads = Uploads(signer, index, Intake(storage, Scanner(scan_command, 5.0), http_settings, Counter()))
    downloads = Downloads(storage, index, INLINE, http_settings.idle_timeout_s, thumbnails)
    registry = CollectorRegistry()
    http = HttpServer(http_settings, uploads, downloads, Metrics(registry))
    await http.start()
    async with aiohttp.ClientSession() as client:
        yield FileServer(tmp_path, signer, index, storage, http, uploads, client, registry)
    await http.stop()
    await index.close()
    await storage.close()
