"""XEP-0363: a file given to the server's upload service, by TLS that trusts whom the bot trusts."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import ssl
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import BinaryIO

import aiohttp
import slixmpp
import structlog
from slixmpp.exceptions import IqError, IqTimeout

from xmpp_bot.errors import Refusal

NS = "urn:xmpp:http:upload:0"
#: XEP-0363 §4: no other headers are taken from the service.
HEADERS = {"authorization", "cookie", "expires"}
REQUEST_TIMEOUT_S = 30.0
#: The connection may be so slow, and a whole upload may take so long.
HTTP_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=30, sock_read=60)

_log = structlog.get_logger("xmpp_bot")


class Uploads:
    """Uploads of one bot; the service is looked for again when it does not answer."""

    def __init__(self, client: slixmpp.ClientXMPP, ca_file: str) -> None:
        self._client = client
        self._ssl = ssl.create_default_context(cafile=ca_file or None)
        self._service: slixmpp.JID | None = None
        #: Bytes of a file at most, 0 if the service does not say.
        self._limit = 0

    async def upload(self, path: Path) -> str:
        """Upload a file; return its address.

        Raises:
            Refusal: There is no service or no such file, the service does not take it, or it fails.

        """
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                return await self._upload(file, path.name)
        except OSError as error:
            _log.warning("upload_failed", file=path.name, error=str(error))
            raise Refusal("I cannot read or upload the file.") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            _log.warning("upload_failed", file=path.name, error=str(error) or type(error).__name__)
            raise Refusal("The upload of the file has failed.") from error

    async def _upload(self, file: BinaryIO, name: str) -> str:
        size = os.fstat(file.fileno()).st_size
        service = self._service or await self._find()
        if self._limit and size > self._limit:
            raise Refusal(f"The file is too large: the server takes {self._limit} bytes at most.")
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        slot = await self._slot(service, name, size, content_type)
        put, get = (slot.find(f"{{{NS}}}{name}") for name in ("put", "get"))
        to, address = ("" if one is None else one.get("url", "") for one in (put, get))
        if put is None or not to.startswith("https://") or not address.startswith("https://"):
            raise Refusal("The upload service is not secure.")  # XEP-0363 §4: both are HTTPS
        headers = {"Content-Type": content_type}
        for one in put.iterfind(f"{{{NS}}}header"):
            header = one.get("name", "")
            if header.lower() in HEADERS:
                headers[header] = "".join((one.text or "").splitlines())
        async with (
            aiohttp.ClientSession(timeout=HTTP_TIMEOUT) as session,
            session.put(to, data=file, headers=headers, ssl=self._ssl, allow_redirects=False) as answer,
        ):
            if answer.status not in (200, 201):
                raise ValueError(f"the answer was {answer.status}")
        return address

    async def _find(self) -> slixmpp.JID:
        """Look through the server's services (XEP-0363 §3)."""
        disco = self._client.plugin["xep_0030"]
        domain = slixmpp.JID(self._client.boundjid.domain)
        try:
            listed = await disco.get_items(jid=domain, timeout=REQUEST_TIMEOUT_S)
        except (IqError, IqTimeout) as error:
            raise Refusal("There is no upload service.") from error
        for jid in (domain, *(jid for jid, _, _ in listed["disco_items"]["items"])):
            try:
                info = (await disco.get_info(jid=jid, timeout=REQUEST_TIMEOUT_S, cached=False))["disco_info"]
            except (IqError, IqTimeout):
                continue
            if NS in info["features"]:
                self._service = slixmpp.JID(jid)
                self._limit = _limit(info)
                return self._service
        raise Refusal("There is no upload service.")

    async def _slot(self, service: slixmpp.JID, name: str, size: int, content_type: str) -> ET.Element:
        """Ask for a place (XEP-0363 §4).

        Raises:
            Refusal: The service gives none, and why.

        """
        try:
            iq = await self._client.plugin["xep_0363"].request_slot(
                service, name, size, content_type, timeout=REQUEST_TIMEOUT_S
            )
        except (IqError, IqTimeout) as error:
            self._service = None
            condition, text = error.condition, "" if isinstance(error, IqTimeout) else error.text
            _log.warning("upload_refused", file=name, condition=condition)
            raise Refusal(f"The server does not take the file: {text or condition}") from error
        slot: ET.Element = iq["http_upload_slot"].xml
        return slot


def _limit(info: slixmpp.plugins.xep_0030.DiscoInfo) -> int:
    for field in info.xml.iterfind("{jabber:x:data}x/{jabber:x:data}field[@var='max-file-size']"):
        text = field.findtext("{jabber:x:data}value", "").strip()
        if text.isdecimal():
            return int(text)
    return 0
