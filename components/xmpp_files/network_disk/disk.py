"""What can be done on the network disk, whichever door it is asked at: rights, quotas, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from components.xmpp_files import index, media_types
from components.xmpp_files import names as file_names
from components.xmpp_files.index import File, Index
from components.xmpp_files.network_disk import changes, names, sessions, shares, tree, uploads
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.schema import PURPOSE, TOP
from components.xmpp_files.network_disk.settings import DiskSettings
from components.xmpp_files.network_disk.shares import Share
from components.xmpp_files.network_disk.stores import Right, Stores
from components.xmpp_files.network_disk.tree import Entry, Page
from components.xmpp_files.quota import Limits, Usage
from components.xmpp_files.settings import UploadSettings
from components.xmpp_files.slots import Slot, SlotSigner, new_id
from components.xmpp_files.storage import Storage

T = TypeVar("T")

log = structlog.get_logger(__name__)

_FREED_AT_ONCE = 200
_LONGEST_SHARE_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Folder:
    """One page of a folder: `path` leads to it, empty for the top of the store."""

    store: str
    path: list[Entry]
    page: Page
    is_first: bool

    @property
    def id(self) -> int:
        """The folder's id."""
        return self.path[-1].id if self.path else TOP


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of all users. `who` is a bare JID that was vouched for; times are seconds since 1970.

    All methods raise DiskError if it is not allowed or not possible, StorageError if the store fails.
    """

    settings: DiskSettings
    upload: UploadSettings
    limits: Limits
    index: Index
    storage: Storage
    signer: SlotSigner
    stores: Stores
    url: Callable[[], str]

    # Looking.

    async def folder(self, who: str, store: str, folder_id: int, after: str | None = None) -> Folder:
        """Return a page of a folder."""
        await self.stores.right(who, store)

        def look(database: sqlite3.Connection) -> Folder:
            found = tree.folder(database, store, folder_id)
            path = [] if found is None else tree.path_of(database, found)
            page = tree.page(database, store, folder_id, after, self.settings.page_entries)
            return Folder(store, path, page, after is None)

        return await self.index.read(look)

    async def resolve(self, who: str, store: str, path: str) -> Entry | None:
        """Return what a path leads to; None is the top."""
        await self.stores.right(who, store)
        return await self.index.read(lambda database: tree.resolve(database, store, path))

    async def entry(self, who: str, entry_id: int) -> Entry:
        """Return an entry that somebody may see."""
        found = await self.index.read(lambda database: tree.entry(database, entry_id))
        await self.stores.right(who, found.store)
        return found

    async def details(self, found: Entry, now: int) -> tuple[list[Entry], list[Share]]:
        """Return the path to an entry that somebody may see, and its shares."""
        return await self.index.read(
            lambda database: (tree.path_of(database, found), shares.of_entry(database, found.id, now))
        )

    async def opened(self, token: str, inside: int | None, after: str | None, now: int) -> tuple[Share, Entry, Page]:
        """Return a share, its entry or one within, and a page of what is in that; the token is the permission."""

        def look(database: sqlite3.Connection) -> tuple[Share, Entry, Page]:
            found = shares.opened(database, token, inside, now)
            below = tree.page(database, found.store, found.id, after, self.settings.page_entries)
            return shares.get(database, token, now), found, below

        return await self.index.read(look)

    async def uploads(self, who: str, now: int, after: str | None = None) -> uploads.Page:
        """Return a page of what somebody has uploaded, the latest first."""
        await self.stores.right(who, who)
        return await self.index.read(
            lambda database: uploads.page(database, who, now, after, self.settings.page_entries)
        )

    async def usage(self, who: str, store: str, now: int) -> Usage:
        """Return what counts against the quotas of a store."""
        await self.stores.right(who, store)
        return await self.index.usage(store, store.rpartition("@")[2], now)

    # Changing.

    async def make_folder(self, who: str, store: str, parent: int, name: str, now: int) -> Entry:
        """Make a folder."""
        await self.stores.right(who, store)
        kept = names.entry_name(name)

        def make(database: sqlite3.Connection) -> Entry:
            changes.check_count(database, store, self.settings.entries)
            made = changes.add(database, store, parent, kept, None, who, now)
            assert made is not None  # noqa: S101 - folders have no slot
            return made

        return await self.index.change(make)

    async def move(self, who: str, entry_id: int, parent: int, name: str, now: int) -> Entry:
        """Rename an entry, or move it to another folder of its store; no name keeps its own."""

        def move(database: sqlite3.Connection, found: Entry) -> Entry:
            return changes.move(database, found, parent, names.entry_name(name or found.name), now)

        return await self._on_own(who, entry_id, move)

    async def remove(self, who: str, entry_id: int, now: int) -> None:
        """Remove an entry and all that is in it, and free the space."""
        files = await self._on_own(who, entry_id, lambda database, found: changes.remove(database, found, now))
        await self._free(files)

    async def keep(self, who: str, file_id: str, parent: int, now: int) -> Entry:
        """Move an upload into a folder: it does not expire any more."""
        await self.stores.right(who, who)

        def keep(database: sqlite3.Connection) -> Entry:
            changes.check_count(database, who, self.settings.entries)
            return uploads.keep(database, who, file_id, parent, now)

        return await self.index.change(keep)

    async def remove_upload(self, who: str, file_id: str, now: int) -> None:
        """Remove an upload; its address leads nowhere from now on."""
        await self.stores.right(who, who)
        await self.index.change(lambda database: uploads.end(database, who, file_id, now))
        await self._free([file_id])

    # Putting something there.

    async def reserve(
        self, who: str, store: str, parent: int, size: int, content_type: str, now: int, until: int, name: str | None
    ) -> File:
        """Note that a file of at most `size` bytes comes until a moment; with a name it has its place already."""
        await self.stores.right(who, store)
        if not media_types.is_in(content_type, self.upload.content_types):
            raise DiskError(Reason.BAD, f"Files of type {content_type} are not taken")
        if not 0 < size <= self.upload.max_file_bytes:
            raise DiskError(Reason.FULL, f"A file has 1 to {self.upload.max_file_bytes} bytes")
        if not await self.storage.room_for(size):
            raise DiskError(Reason.FULL, "There is no room for it")
        host = store.rpartition("@")[2]
        file = File(new_id(), store, host, "", size, content_type, PURPOSE, now, None, until)

        def take(database: sqlite3.Connection) -> File:
            tree.folder(database, store, parent)
            changes.check_count(database, store, self.settings.entries)
            refused = index.reserve(database, file, self.limits)
            if refused is not None:
                raise DiskError(Reason.FULL, refused.reason)
            if name is not None:
                changes.add(database, store, parent, name, file.id, who, now)
            return file

        return await self.index.change(take)

    async def slot(self, who: str, store: str, parent: int, name: str, size: int, content_type: str, now: int) -> str:
        """Return an address to PUT one file to, as XEP-0363's are."""
        until = now + self.upload.slot_timeout_s
        kept = names.entry_name(name)
        file = await self.reserve(who, store, parent, size, content_type or media_types.UNKNOWN, now, until, kept)
        slot = Slot(file.id, kept, size, content_type, self.signer.uploader(who), until)
        log.info("disk-slot-granted", user=who, store=store, file=file.id[:6], size=size)
        return f"{self.url()}/{file.id}/{file_names.in_url(kept)}?slot={self.signer.token(slot)}"

    async def give_back(self, file: File) -> None:
        """Forget a reservation that nothing has come of."""
        await self.storage.delete(file.id)  # a commit that was cancelled may have happened all the same
        await self.index.give_back(file)

    async def settle(self, who: str, file: File, parent: int, name: str, size: int, now: int) -> Entry:
        """Give a stored file its real size and its place; if the folder is gone meanwhile, the top is."""

        def settle(database: sqlite3.Connection) -> Entry:
            uploads.set_size(database, file, size)
            try:
                tree.folder(database, file.owner, parent)
                place = parent
            except DiskError:
                place = TOP
            added = changes.add(database, file.owner, place, name, file.id, who, now)
            assert added is not None  # noqa: S101 - its slot has been ended
            return added

        return await self.index.change(settle)

    # Sharing.

    async def share(self, who: str, entry_id: int, recipient: str, now: int, keep_s: int) -> Share:
        """Make a link for an entry; `keep_s` 0 is as long as shares may be."""
        if keep_s > _LONGEST_SHARE_S:
            raise DiskError(Reason.BAD, "Nothing is shared for so long: leave the time out")
        most = self.settings.share_s
        lasts = min(keep_s or most, most) if most else keep_s
        until = now + lasts if lasts else None
        return await self._on_own(
            who, entry_id, lambda database, found: shares.add(database, found, who, recipient, now, until)
        )

    async def shares(self, who: str, store: str, now: int, after: str = "") -> list[Share]:
        """Return shares of a store, by page."""
        await self.stores.right(who, store)
        limit = self.settings.page_entries
        return list(await self.index.read(lambda database: shares.of_store(database, store, now, after, limit)))

    async def shared_with(self, who: str, now: int, after: str = "") -> list[Share]:
        """Return what others have shared with somebody, by page."""
        limit = self.settings.page_entries
        return list(await self.index.read(lambda database: shares.shared_with(database, who, now, after, limit)))

    async def revoke(self, who: str, token: str, now: int) -> None:
        """Take a share back; the owners of a store do that with all of its shares."""
        share = await self.index.read(lambda database: shares.get(database, token, now))
        right = await self.stores.right(who, share.store)
        if right is not Right.OWNER and share.author != who:
            raise DiskError(Reason.FORBIDDEN, "Somebody else has shared this")
        await self.index.change(lambda database: shares.revoke(database, token))

    def share_url(self, share: Share) -> str:
        """Return the address of a share."""
        return f"{self.url()}/disk/s/{share.token}/{file_names.in_url(share.name)}"

    # Logging in.

    async def login_url(self, who: str, now: int) -> str:
        """Return the address that opens the page, once."""
        if not self.stores.may_log_in(who):
            raise DiskError(Reason.FORBIDDEN, "There are no files for you")
        until = now + self.settings.login_timeout_s
        secret = await self.index.change(lambda database: sessions.invite(database, who, until))
        return f"{self.url()}/disk/login/{secret}"

    async def log_out_everywhere(self, who: str) -> int:
        """End all sessions of browsers; return how many that were."""
        return await self.index.change(lambda database: sessions.log_out_everywhere(database, who))

    # Used above.

    async def _on_own(self, who: str, entry_id: int, work: Callable[[sqlite3.Connection, Entry], T]) -> T:
        """Work on an entry that somebody may change, and share: owners all, members what is theirs only."""
        store = (await self.index.read(lambda database: tree.entry(database, entry_id))).store
        right = await self.stores.right(who, store)

        def checked(database: sqlite3.Connection) -> T:
            found = tree.entry(database, entry_id)
            if right is not Right.OWNER and tree.authors(database, found) != {who}:
                raise DiskError(Reason.FORBIDDEN, "Others have put this here")
            return work(database, found)

        return await self.index.change(checked)

    async def _free(self, files: Sequence[str]) -> None:
        """Remove the bytes of what has ended; of very much, the purge removes the rest."""
        for file_id in files[:_FREED_AT_ONCE]:
            await self.storage.delete(file_id)  # before the row, so that a crash leaves no orphan
            await self.index.remove(file_id)
