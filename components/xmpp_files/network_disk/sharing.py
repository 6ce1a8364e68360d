"""Sharing: a link for an entry, and a message to whom it is for."""

from __future__ import annotations

from dataclasses import dataclass

from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.notices import Notices
from components.xmpp_files.network_disk.shares import Share


@dataclass(frozen=True, slots=True)
class Shared:
    """What came of it; `is_told` if a message went to the recipient."""

    share: Share
    url: str
    is_told: bool


@dataclass(frozen=True, slots=True)
class Sharing:
    """Joins the disk and the messages."""

    disk: Disk
    notices: Notices

    async def share(self, who: str, entry_id: int, recipient: str, now: int, keep_s: int) -> Shared:
        """Share an entry with somebody, a contact or a room by bare JID; "" only makes a link.

        Raises:
            DiskError: It is not allowed, or too often.
            StorageError: The store fails.

        """
        await self.disk.entry(who, entry_id)
        if recipient:
            await self.notices.check(who, recipient, now)
        share = await self.disk.share(who, entry_id, recipient, now, keep_s)
        url = self.disk.share_url(share)
        is_told = bool(recipient) and await self.notices.send(who, recipient, share.name, url)
        return Shared(share, url, is_told)
