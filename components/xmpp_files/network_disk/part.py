"""Puts the network disk together: on the domain and the HTTP server of the upload service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from components.xmpp_component.link import Link
from components.xmpp_files.access import Access
from components.xmpp_files.download import Downloads
from components.xmpp_files.network_disk.actions import Actions
from components.xmpp_files.network_disk.adhoc import Commands
from components.xmpp_files.network_disk.commands import DiskCommands
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.housekeeping import Housekeeping
from components.xmpp_files.network_disk.links import PREFIX
from components.xmpp_files.network_disk.notices import Notices
from components.xmpp_files.network_disk.receive import Receiver
from components.xmpp_files.network_disk.rooms import LinkAsker, Rooms
from components.xmpp_files.network_disk.sharing import Sharing
from components.xmpp_files.network_disk.stores import Stores
from components.xmpp_files.network_disk.visits import Visits
from components.xmpp_files.network_disk.web import Website
from components.xmpp_files.settings import Config
from components.xmpp_files.storage import Storage
from components.xmpp_files.upload import Uploads


@dataclass(frozen=True, slots=True)
class Base:
    """What it shares with the upload service; `url` is the public address, known when the doors are open."""

    config: Config
    storage: Storage
    uploads: Uploads
    downloads: Downloads
    access: Access
    link: Link
    url: Callable[[], str]


class NetworkDisk:
    """Adds its commands to the link at once; nothing else happens before `start`."""

    def __init__(self, base: Base) -> None:
        settings, domain = base.config.disk, base.config.upload.domain
        rooms = Rooms(LinkAsker(base.link), domain, time.monotonic)
        host = domain.partition(".")[2]
        services = frozenset(service.replace("{domain}", host) for service in settings.rooms)
        stores = Stores(base.access, services, rooms.right)
        disk = Disk(
            settings,
            base.config.upload,
            base.config.quota.limits(),
            base.uploads.index,
            base.storage,
            base.uploads.signer,
            stores,
            base.url,
        )
        sharing = Sharing(disk, Notices(base.link, stores, settings.messages_per_hour))
        Commands(base.link, DiskCommands(disk, sharing).all(), time.time)
        visits = Visits(disk.index, settings.session_s, base.url)
        actions = Actions(disk, sharing, visits, Receiver(disk, base.uploads.intake))
        self._website = Website(actions, base.downloads, domain)
        self._housekeeping = Housekeeping(disk, rooms)
        self._interval_s = settings.check_interval_s
        self._task: asyncio.Task[None] | None = None

    def pages(self) -> Mapping[str, web.Application]:
        """Return what the HTTP server adds, by its prefix."""
        return {PREFIX: self._website.application()}

    async def start(self) -> None:
        """Put right what a crash has left.

        Raises:
            StorageError: The index fails.

        """
        await self._housekeeping.reconcile(int(time.time()))
        self._task = asyncio.create_task(self._housekeeping.run(self._interval_s), name="network disk")

    async def stop(self) -> None:
        """End what runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
