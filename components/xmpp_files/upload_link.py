"""The upload service on the XMPP side: discovery and slots (XEP-0363 §3, §4)."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from slixmpp import JID

from components.xmpp_component.errors import RequestError
from components.xmpp_component.link import Link
from components.xmpp_component.settings import Server
from components.xmpp_files.metrics import Metrics
from components.xmpp_files.requests import NS
from components.xmpp_files.service import UploadService


class UploadLink(Link):
    """`upload.example.org`."""

    def __init__(self, server: Server, service: UploadService, metrics: Metrics) -> None:
        super().__init__(service.settings.domain, server)
        self._metrics = metrics
        self._service = service
        disco = self.plugin["xep_0030"]
        disco.add_identity("store", "file", "HTTP File Upload")
        disco.add_feature(NS)
        for purpose in service.settings.retentions():
            disco.add_feature(purpose.feature)
        form = self.plugin["xep_0004"].make_form("result")
        form.add_field("FORM_TYPE", ftype="hidden", value=NS)
        form.add_field("max-file-size", value=str(service.settings.max_file_bytes))
        self.plugin["xep_0128"].add_extended_info(data=form)  # slixmpp's set_extended_info logs a warning of its own
        self.answers({"get": self._grant}, f"{{{NS}}}request")

    async def _grant(self, request: ET.Element, sender: str) -> ET.Element:
        try:
            slot = await self._service.grant(request, JID(sender).bare, int(time.time()))
        except RequestError as error:
            self._metrics.refused(error)
            raise
        self._metrics.slots.inc()
        self._metrics.slot_bytes.inc(int(request.get("size", "0")))
        return slot
