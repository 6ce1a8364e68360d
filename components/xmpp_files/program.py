"""Puts the parts together, starts and stops them in order."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import Counter
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from components.xmpp_component.addresses import Doors, split
from components.xmpp_component.link import Link
from components.xmpp_component.monitor import Monitor, new_registry, nothing
from components.xmpp_files.access import Access
from components.xmpp_files.disk import DiskStorage
from components.xmpp_files.download import Downloads
from components.xmpp_files.http import HttpServer, is_https
from components.xmpp_files.index import Index
from components.xmpp_files.intake import Intake
from components.xmpp_files.metrics import Metrics, RelayMetrics
from components.xmpp_files.network_disk.part import Base, NetworkDisk
from components.xmpp_files.proxy_link import ProxyLink
from components.xmpp_files.purge import Purge
from components.xmpp_files.relay import Relay
from components.xmpp_files.s3 import S3Storage
from components.xmpp_files.scanner import Scanner
from components.xmpp_files.service import UploadService
from components.xmpp_files.settings import Config
from components.xmpp_files.slots import SlotSigner
from components.xmpp_files.storage import Storage, StorageError
from components.xmpp_files.thumbnails import Thumbnails
from components.xmpp_files.upload import Uploads
from components.xmpp_files.upload_link import UploadLink

log = structlog.get_logger(__name__)

_KEY_BYTES = 32


class Program:
    """The upload service and the proxy, as far as the configuration wants them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        registry = new_registry()
        self._upload = UploadPart(config, Metrics(registry)) if config.upload.domain else None
        self._proxy = ProxyPart(config, registry) if config.proxy.domain else None
        parts = {"upload": self._upload, "proxy": self._proxy}
        checks = {name: part.is_connected for name, part in parts.items() if part is not None}
        refresh = self._upload.refresh if self._upload is not None else nothing
        self._monitor = Monitor(config.monitor, registry, checks, refresh)

    async def start(self) -> dict[str, list[str]]:
        """Open the doors, then connect to the server; return the addresses.

        Raises:
            OSError: An address cannot be bound.
            StorageError: The store cannot be opened.

        """
        addresses = {"monitor": await self._monitor.start()}
        if self._upload is not None:
            addresses["http"] = await self._upload.start()
        if self._proxy is not None:
            addresses["proxy"] = await self._proxy.start()
        return addresses

    async def stop(self) -> None:
        """Leave the server, let transfers end for a while, close the store."""
        if self._proxy is not None:
            await self._proxy.stop()
        if self._upload is not None:
            await self._upload.stop()
        await self._monitor.stop()

    def reload(self) -> None:
        """Take a renewed certificate."""
        if self._upload is not None:
            self._upload.reload()


class UploadPart:
    """Store, HTTP server, upload service and the purge."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._index = Index(config.folder / "index.db")
        self._storage = _storage(config)
        self._thumbnails = Thumbnails(config.thumbnails, self._storage) if config.thumbnails.enabled else None
        self._http: HttpServer | None = None
        self._link: Link | None = None
        self._disk: NetworkDisk | None = None
        self._purging: asyncio.Task[None] | None = None

    async def start(self) -> list[str]:
        """Start them; return the addresses of the HTTP server."""
        config = self._config
        await self._storage.open()
        await self._index.open()
        signer = SlotSigner(signing_key(config.folder / "slots.key"))
        scanner = Scanner(config.upload.scan, config.upload.scan_timeout_s)
        uploads = Uploads(signer, self._index, Intake(self._storage, scanner, config.http, Counter()))
        downloads = Downloads(
            self._storage, self._index, config.upload.inline_types, config.http.idle_timeout_s, self._thumbnails
        )
        access = Access(config.upload.users, config.upload.domain)
        service = UploadService(
            config.upload, config.quota.limits(), signer, self._index, self._storage, access, self._url
        )
        self._link = UploadLink(config.server, service, self._metrics)
        if config.disk.enabled:
            self._disk = NetworkDisk(Base(config, self._storage, uploads, downloads, access, self._link, self._url))
            await self._disk.start()
        pages = self._disk.pages() if self._disk else {}
        http = self._http = HttpServer(config.http, uploads, downloads, self._metrics, pages)
        await http.start()
        if not is_https(http.url):
            log.warning(
                "upload-without-tls", url=http.url, hint="set http.certificate and http.key, or http.public_url"
            )
        self._link.start()
        purge = Purge(self._index, self._storage)
        self._purging = asyncio.create_task(purge.run(config.upload.purge_interval_s), name="purge")
        return http.addresses

    async def stop(self) -> None:
        """Stop them, whichever were started."""
        if self._link is not None:
            await self._link.stop()
        if self._http is not None:
            await self._http.stop()
        if self._thumbnails is not None:
            await self._thumbnails.close()
        if self._disk is not None:
            await self._disk.stop()
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
        await self._index.close()
        await self._storage.close()

    def _url(self) -> str:
        return self._http.url if self._http is not None else ""

    def is_connected(self) -> bool:
        """Tell whether the server has us."""
        return self._link is not None and self._link.is_ready

    async def refresh(self) -> None:
        """Look up what metrics tell of the store."""
        self._metrics.stored.set(await self._index.total_bytes())

    def reload(self) -> None:
        """Take a renewed certificate; keep the old one if the new one is bad."""
        if self._http is None:
            return
        try:
            self._http.reload()
        except OSError as error:
            log.error("certificate-not-loaded", reason=str(error))
        else:
            log.info("reloaded")


class ProxyPart:
    """The SOCKS5 relay and its component."""

    def __init__(self, config: Config, registry: CollectorRegistry) -> None:
        self._config = config
        self._relay = Relay(config.proxy)
        RelayMetrics(self._relay, registry)
        self._doors = Doors()
        self._link: Link | None = None

    async def start(self) -> list[str]:
        """Start them; return the addresses of the relay."""
        settings = self._config.proxy
        addresses = await self._doors.open(settings.listen, self._relay.connection)
        first = split(addresses[0])
        host, port = first if isinstance(first, tuple) else ("", 0)
        self._link = ProxyLink(self._config.server, settings, self._relay, settings.host or host, settings.port or port)
        self._link.start()
        return addresses

    def is_connected(self) -> bool:
        """Tell whether the server has us."""
        return self._link is not None and self._link.is_ready

    async def stop(self) -> None:
        """Stop them; streams are cut."""
        if self._link is not None:
            await self._link.stop()
        await self._doors.close()
        self._relay.close()


def _storage(config: Config) -> Storage:
    return S3Storage(config.s3) if config.s3.bucket else DiskStorage(config.folder, config.quota.min_free_bytes)


def signing_key(path: Path) -> bytes:
    """Return the key of upload slots, made on the first start.

    Raises:
        StorageError: The file is damaged.

    """
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StorageError(f"{path} must hold {_KEY_BYTES} bytes; without the file a new key is made")
    return key
