"""What the server keeps, as protocols: accounts, rosters, offline messages, documents, saved sessions.

Every write is put in a queue at the moment of the call, in order, and is answered by a `Write` that is done
once the write is committed as the durability setting promises. A read sees every earlier write of this
process for the same owner. Reads raise `StorageError`; writes never raise at the call, they fail
their `Write`, which is logged by the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from xmpp_server.jid import JID
    from xmpp_server.sasl.credentials import ScramKeys

T_co = TypeVar("T_co", covariant=True)


class StorageError(Exception):
    """The store could not read or write: `internal-server-error` to whoever asked."""


class StorageBusyError(StorageError):
    """The store is locked, or its queue is full: `resource-constraint`, worth another try."""


class StorageFullError(StorageError):
    """No space is left for this write: `resource-constraint`, worth another try."""


class StorageFailedError(StorageError):
    """The store broke for good (a failed fsync, a corrupt file): this process writes nothing any more."""


class NoSuchAccountError(StorageError):
    """A roster or credentials were written for an account that does not exist (any more)."""


class SchemaError(StorageError):
    """The schema of the database is not the one of this version of the server."""


class Durability(StrEnum):
    """What a done `Write` survives."""

    FULL = "full"  # power loss
    PROCESS = "process"  # the death of this process; power loss may take the last moments
    RELAXED = "relaxed"  # nothing is promised; commits gather for longer


class Write(Protocol[T_co]):
    """A write on its way to the store. Callbacks run on the event loop's thread."""

    def done(self) -> bool:
        """Tell whether the write is committed or has failed."""

    def exception(self) -> BaseException | None:
        """Why it failed (a `StorageError`), None if it is committed; only once done."""

    def result(self) -> T_co:
        """What the write answers, or raises its exception; only once done."""

    def add_done_callback(self, fn: Callable[[Write[T_co]], object], /) -> None:
        """Call `fn(self)` once done: within this very call if it is done already."""

    def __await__(self) -> Generator[object, None, T_co]:
        """Wait until it is committed; raises its exception."""


class Commit(Write[None], Protocol):
    """A write that answers nothing but its commit."""


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account: `jid` is bare, `created` aware UTC, `credentials` keyed by hash name ("SHA-256")."""

    jid: JID
    enabled: bool
    created: datetime
    credentials: Mapping[str, ScramKeys] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RosterItem:
    """A contact (RFC 6121 §2.1.2), or only a request from one.

    `pending_in` is the stored inbound subscribe stanza (§3.1.3). An item with nothing but that has
    the `subscription` "" and is not shown in the roster.
    """

    jid: JID
    name: str = ""
    subscription: str = "none"
    ask: bool = False
    approved: bool = False
    groups: tuple[str, ...] = ()
    pending_in: bytes | None = None


class Roster(NamedTuple):
    """A roster and its version, which grows with every change; (0, []) for an unknown account."""

    version: int
    items: list[RosterItem]


@dataclass(frozen=True, slots=True)
class OfflineMessage:
    """A stanza kept for an account; `id` sorts by time, `stamp` (aware UTC, microseconds) is when it came."""

    id: str
    stamp: datetime
    stanza: bytes


@dataclass(frozen=True, slots=True)
class SavedSession:
    """An XEP-0198 session saved over a planned restart; `jid` is full, `data` is its owner's own format."""

    token: str
    jid: JID
    data: bytes
    expires: datetime


@dataclass(frozen=True, slots=True)
class LoadedAccount:
    """What a session needs when it starts, read at once.

    `documents` is kind -> key -> data, for the kinds asked for; a kind without documents is not in it.
    """

    record: AccountRecord
    roster_version: int
    roster: list[RosterItem]
    offline_count: int
    documents: Mapping[str, Mapping[str, bytes]]


class Accounts(Protocol):
    """Accounts and their credentials."""

    def create(self, record: AccountRecord) -> Write[bool]:
        """Add an account, cleared of what an earlier one of that name left; False if it exists already."""

    async def get(self, jid: JID) -> AccountRecord | None:
        """Read one account by bare JID."""

    def set_credentials(self, jid: JID, credentials: Mapping[str, ScramKeys]) -> Commit:
        """Replace all credentials; fails with `NoSuchAccountError`."""

    def set_enabled(self, jid: JID, enabled: bool) -> Commit:
        """Enable or disable an account; fails with `NoSuchAccountError`."""

    def delete(self, jid: JID) -> Write[bool]:
        """Remove the account and every row it owns in one transaction; False if there is none."""

    async def hosts(self) -> list[str]:
        """The hosts that have accounts, sorted."""

    async def list(self, host: str, after: str | None = None, limit: int = 100) -> list[JID]:
        """Bare JIDs of a host in the order of their text, from behind `after` (a bare JID as text)."""

    async def count(self, host: str) -> int:
        """How many accounts a host has."""


class Rosters(Protocol):
    """Rosters; versions of an account only grow, also over deletion and re-creation a second later."""

    async def load(self, jid: JID) -> Roster:
        """Read the roster of an account with its version; items in the order of their JIDs' text."""

    def put(self, jid: JID, item: RosterItem) -> Write[int]:
        """Add or replace an item; answers the new version; fails with `NoSuchAccountError`."""

    def remove(self, jid: JID, contact: JID) -> Write[int]:
        """Remove an item, if any; answers the new version; fails with `NoSuchAccountError`."""


class Offline(Protocol):
    """XEP-0160: messages kept until their account comes."""

    def append(self, user: JID, message: OfflineMessage) -> Commit:
        """Keep a message; one with the same id is kept once."""

    async def load(self, user: JID, after: str | None = None, limit: int = 1000) -> list[OfflineMessage]:
        """Read messages in the order of their ids, from behind the id `after`."""

    def remove(self, user: JID, ids: Collection[str]) -> Commit:
        """Forget messages that have been delivered; unknown ids do not matter."""

    async def count(self, user: JID) -> int:
        """How many messages are kept."""


class Documents(Protocol):
    """Small documents read and written whole: private XML, vCards, block lists, last activity, ..."""

    async def get(self, owner: JID, kind: str, key: str) -> bytes | None:
        """Read one document."""

    async def all(self, owner: JID, kind: str) -> dict[str, bytes]:
        """Read all documents of a kind by key, sorted."""

    async def kinds(self, owner: JID) -> list[str]:
        """The kinds of which the owner has documents, sorted (for export)."""

    async def owners(self, after: str | None = None, limit: int = 100) -> list[JID]:
        """Who has documents, in the order of their text, from behind `after`: accounts, hosts, rooms (for export)."""

    def put(self, owner: JID, kind: str, key: str, data: bytes) -> Commit:
        """Add or replace one document."""

    def remove(self, owner: JID, kind: str, key: str) -> Commit:
        """Remove one document, if it exists."""


class Sessions(Protocol):
    """Sessions saved over a planned restart."""

    def save_all(self, sessions: Sequence[SavedSession]) -> Commit:
        """Save sessions in one transaction; one with a known token is replaced."""

    def load_all(self) -> Write[list[SavedSession]]:
        """Read and forget all saved sessions in one transaction, the expired ones too."""


class Storage(Protocol):
    """One store. `open` it on the loop that uses it; `close` commits what is queued."""

    @property
    def accounts(self) -> Accounts:
        """Accounts."""

    @property
    def rosters(self) -> Rosters:
        """Rosters."""

    @property
    def offline(self) -> Offline:
        """Offline messages."""

    @property
    def documents(self) -> Documents:
        """Documents."""

    @property
    def sessions(self) -> Sessions:
        """Saved sessions."""

    @property
    def queued(self) -> int:
        """Writes that are not yet committed."""

    @property
    def failure(self) -> StorageError | None:
        """Why the store is broken for good, None while it works."""

    async def open(self) -> None:
        """Connect and bring the schema up to date; raises `SchemaError` for a newer one, `StorageError`."""

    async def close(self) -> None:
        """Commit what is queued and let go of everything; no error if not open."""

    async def load_account(self, jid: JID, kinds: Collection[str] = ()) -> LoadedAccount | None:
        """Read at once what a session of a bare JID needs, None if there is no such account."""
