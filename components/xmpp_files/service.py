"""The upload service without its transport: grants slots (XEP-0363)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import structlog

from components.xmpp_component.errors import RequestError
from components.xmpp_files import media_types, names, requests
from components.xmpp_files.access import Access
from components.xmpp_files.index import File, Index
from components.xmpp_files.quota import Limits
from components.xmpp_files.settings import UploadSettings
from components.xmpp_files.slots import Slot, SlotSigner, new_id
from components.xmpp_files.storage import FullError, Storage, StorageError

log = structlog.get_logger(__name__)

_RETRY_S = 300


@dataclass(frozen=True, slots=True)
class UploadService:
    """Decides on requests; `url` tells how clients reach the HTTP server."""

    settings: UploadSettings
    limits: Limits
    signer: SlotSigner
    index: Index
    storage: Storage
    access: Access
    url: Callable[[], str]

    async def grant(self, request: ET.Element, bare_jid: str, now: int) -> ET.Element:
        """Return the `<slot/>` for a `<request/>`.

        Args:
            request: What the client sent.
            bare_jid: Who it is.
            now: Seconds since 1970.

        Raises:
            RequestError: Why there is none.

        """
        if not self.access.allows(bare_jid):
            raise RequestError("forbidden", "auth", "You may not upload files here")
        retentions = self.settings.retentions()
        wanted = requests.read(request, retentions)
        retention = retentions[wanted.purpose]
        if wanted.size > retention.max_file_bytes:
            raise requests.too_large(retention.max_file_bytes)
        content_type = wanted.content_type or media_types.UNKNOWN
        if not media_types.is_in(content_type, self.settings.content_types):
            raise RequestError("not-acceptable", "modify", f"Files of type {content_type} are not taken")
        expires = retention.expires(now, wanted.expire_before)
        if expires is not None and expires <= now:
            raise RequestError("not-acceptable", "modify", "The file would have expired already")
        host = bare_jid.rpartition("@")[2]
        until = now + self.settings.slot_timeout_s
        file = File(
            new_id(), bare_jid, host, wanted.filename, wanted.size, content_type, wanted.purpose, now, expires, until
        )
        await self._reserve(file)
        log.info("slot-granted", user=bare_jid, file=file.id[:6], size=file.size, purpose=file.purpose)
        slot = Slot(file.id, file.name, file.size, wanted.content_type, self.signer.uploader(bare_jid), until)
        get_url = f"{self.url()}/{file.id}/{names.in_url(file.name)}"
        return requests.slot_element(f"{get_url}?slot={self.signer.token(slot)}", get_url)

    async def _reserve(self, file: File) -> None:
        try:
            if not await self.storage.room_for(file.size):
                raise FullError("no room")
            refused = await self.index.reserve(file, self.limits)
        except FullError:
            log.error("store-full")
            raise requests.try_later("The store is full", file.created + _RETRY_S) from None
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            raise requests.try_later("The store failed", file.created + _RETRY_S) from None
        if refused is not None:
            log.info("slot-refused", user=file.owner, reason=refused.reason)
            raise requests.try_later(refused.reason, refused.retry_at)
