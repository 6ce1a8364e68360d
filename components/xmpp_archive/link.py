"""The archive's domain on the server. It listens to the hosts of the server, and to nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

import structlog

from components.xmpp_archive.errors import ArchiveError
from components.xmpp_archive.metrics import Metrics
from components.xmpp_archive.namespaces import ARCHIVE, EXTENDED, MAM
from components.xmpp_archive.service import Service
from components.xmpp_archive.settings import Server
from components.xmpp_component.errors import RequestError
from components.xmpp_component.link import Link

log = structlog.get_logger(__name__)


class ArchiveLink(Link):
    """`archive.example.org`."""

    def __init__(self, server: Server, service: Service, metrics: Metrics) -> None:
        super().__init__(server.domain, server)
        self._metrics = metrics
        self._hosts = frozenset(server.hosts) or {server.domain.partition(".")[2]}
        disco = self.plugin["xep_0030"]
        disco.add_identity(category="store", itype="archive", name="Archive")
        for feature in (MAM, EXTENDED):
            disco.add_feature(feature)
        self._serve("store", service.store)
        self._serve("ask", service.ask)

    def _serve(self, name: str, answerer: Callable[[ET.Element], Awaitable[str]]) -> None:
        async def answer(payload: ET.Element, sender: str) -> str:
            if sender not in self._hosts:  # anybody on the network can send us stanzas
                raise RequestError("forbidden", "auth")
            try:
                with self._metrics.request(payload):
                    return await answerer(payload)
            except ArchiveError as error:
                log.error("archive-failed", reason=str(error)[:500])
                raise RequestError("resource-constraint", "wait", "The archive cannot be used now") from None

        self.answers({"set": answer}, f"{{{ARCHIVE}}}{name}")
