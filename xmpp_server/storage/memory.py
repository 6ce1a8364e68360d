"""The store in memory: for tests and for servers that keep nothing; every write is committed at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from xmpp_server.storage.api import (
    AccountRecord,
    LoadedAccount,
    NoSuchAccountError,
    OfflineMessage,
    Roster,
    RosterItem,
    SavedSession,
    StorageError,
)
from xmpp_server.storage.commit import Pending

if TYPE_CHECKING:
    from xmpp_server.jid import JID
    from xmpp_server.sasl.credentials import ScramKeys

T = TypeVar("T")


@dataclass(slots=True)
class _Account:
    record: AccountRecord
    roster_version: int
    roster: dict[JID, RosterItem] = field(default_factory=dict)


@dataclass(slots=True)
class _Owned:
    """What belongs to a JID, whether or not that is an account."""

    offline: dict[str, OfflineMessage] = field(default_factory=dict)
    documents: dict[str, dict[str, bytes]] = field(default_factory=dict)


class _Tables:
    """All that is kept, and the writes that are held back."""

    def __init__(self) -> None:
        self.accounts: dict[JID, _Account] = {}
        self.owned: dict[JID, _Owned] = {}
        self.sessions: dict[str, SavedSession] = {}
        self.held: list[tuple[Pending[object], Callable[[], object]]] | None = None

    def write(self, action: Callable[[], T]) -> Pending[T]:
        pending: Pending[T] = Pending()
        if self.held is None:
            _settle(pending, action)
        else:
            self.held.append((pending, action))  # type: ignore[arg-type]  # settled with its own action only
        return pending

    def account(self, jid: JID) -> _Account:
        account = self.accounts.get(jid)
        if account is None:
            raise NoSuchAccountError(f"No account {jid}")
        return account

    def of(self, owner: JID) -> _Owned:
        return self.owned.get(owner) or _Owned()


def _settle(pending: Pending[T], action: Callable[[], T]) -> None:
    try:
        value = action()
    except StorageError as error:
        pending.fail(error)
    else:
        pending.succeed(value)


class MemoryStorage:
    """`storage.api.Storage` in dictionaries."""

    failure: StorageError | None = None

    def __init__(self) -> None:
        self._tables = _Tables()
        self.accounts = MemoryAccounts(self._tables)
        self.rosters = MemoryRosters(self._tables)
        self.offline = MemoryOffline(self._tables)
        self.documents = MemoryDocuments(self._tables)
        self.sessions = MemorySessions(self._tables)

    @property
    def queued(self) -> int:
        """Writes that are held back."""
        return len(self._tables.held or ())

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Commit what is held back."""
        self.release()

    def hold(self) -> None:
        """Commit nothing until `release`: a test's slow disk. Reads do not wait for held writes."""
        if self._tables.held is None:
            self._tables.held = []

    def release(self, error: StorageError | None = None, committed: int = 0) -> None:
        """Commit what was held back, or fail all but the first `committed` with `error`; later writes commit again."""
        held, self._tables.held = self._tables.held or [], None
        for number, (pending, action) in enumerate(held):
            if error is None or number < committed:
                _settle(pending, action)
            else:
                pending.fail(error)

    async def load_account(self, jid: JID, kinds: Collection[str] = ()) -> LoadedAccount | None:
        """Read at once what a session of a bare JID needs, None if there is no such account."""
        account = self._tables.accounts.get(jid)
        if account is None:
            return None
        owned = self._tables.of(jid)
        documents = {kind: dict(owned.documents[kind]) for kind in kinds if owned.documents.get(kind)}
        roster = _sorted_items(account)
        return LoadedAccount(account.record, account.roster_version, roster, len(owned.offline), documents)


class MemoryAccounts:
    """`storage.api.Accounts`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def create(self, record: AccountRecord) -> Pending[bool]:
        """Add an account."""

        def action() -> bool:
            if record.jid in self._tables.accounts:
                return False
            self._tables.owned.pop(record.jid, None)
            self._tables.accounts[record.jid] = _Account(record, int(record.created.timestamp()))
            return True

        return self._tables.write(action)

    async def get(self, jid: JID) -> AccountRecord | None:
        """Read one account."""
        account = self._tables.accounts.get(jid)
        return account.record if account else None

    def set_credentials(self, jid: JID, credentials: Mapping[str, ScramKeys]) -> Pending[None]:
        """Replace all credentials."""
        kept = dict(credentials)

        def action() -> None:
            account = self._tables.account(jid)
            account.record = replace(account.record, credentials=kept)

        return self._tables.write(action)

    def set_enabled(self, jid: JID, enabled: bool) -> Pending[None]:
        """Enable or disable an account."""

        def action() -> None:
            account = self._tables.account(jid)
            account.record = replace(account.record, enabled=enabled)

        return self._tables.write(action)

    def delete(self, jid: JID) -> Pending[bool]:
        """Remove an account and all it owns."""

        def action() -> bool:
            existed = self._tables.accounts.pop(jid, None) is not None
            self._tables.owned.pop(jid, None)
            sessions = self._tables.sessions
            for token in [token for token, session in sessions.items() if session.jid.bare == jid]:
                del sessions[token]
            return existed

        return self._tables.write(action)

    async def hosts(self) -> list[str]:
        """The hosts that have accounts, sorted."""
        return sorted({jid.domainpart for jid in self._tables.accounts})

    async def list(self, host: str, after: str | None = None, limit: int = 100) -> list[JID]:
        """Bare JIDs of a host behind `after`."""
        jids = sorted((jid for jid in self._tables.accounts if jid.domainpart == host), key=str)
        start = bisect_right(jids, after, key=str) if after is not None else 0
        return jids[start : start + limit]

    async def count(self, host: str) -> int:
        """How many accounts a host has."""
        return sum(jid.domainpart == host for jid in self._tables.accounts)


class MemoryRosters:
    """`storage.api.Rosters`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    async def load(self, jid: JID) -> Roster:
        """Read a roster."""
        account = self._tables.accounts.get(jid)
        return Roster(account.roster_version, _sorted_items(account)) if account else Roster(0, [])

    def put(self, jid: JID, item: RosterItem) -> Pending[int]:
        """Add or replace an item."""

        def action() -> int:
            account = self._tables.account(jid)
            account.roster[item.jid] = item
            account.roster_version += 1
            return account.roster_version

        return self._tables.write(action)

    def remove(self, jid: JID, contact: JID) -> Pending[int]:
        """Remove an item."""

        def action() -> int:
            account = self._tables.account(jid)
            account.roster.pop(contact, None)
            account.roster_version += 1
            return account.roster_version

        return self._tables.write(action)


def _sorted_items(account: _Account) -> list[RosterItem]:
    return sorted(account.roster.values(), key=lambda item: str(item.jid))


class MemoryOffline:
    """`storage.api.Offline`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def append(self, user: JID, message: OfflineMessage) -> Pending[None]:
        """Keep a message."""

        def action() -> None:
            self._tables.owned.setdefault(user, _Owned()).offline.setdefault(message.id, message)

        return self._tables.write(action)

    async def load(self, user: JID, after: str | None = None, limit: int = 1000) -> list[OfflineMessage]:
        """Read messages behind the id `after`."""
        offline = self._tables.of(user).offline
        ids = sorted(key for key in offline if after is None or key > after)
        return [offline[key] for key in ids[:limit]]

    def remove(self, user: JID, ids: Collection[str]) -> Pending[None]:
        """Forget messages."""
        gone = tuple(ids)

        def action() -> None:
            offline = self._tables.of(user).offline
            for key in gone:
                offline.pop(key, None)

        return self._tables.write(action)

    async def count(self, user: JID) -> int:
        """How many messages are kept."""
        return len(self._tables.of(user).offline)


class MemoryDocuments:
    """`storage.api.Documents`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    async def get(self, owner: JID, kind: str, key: str) -> bytes | None:
        """Read one document."""
        return self._tables.of(owner).documents.get(kind, {}).get(key)

    async def all(self, owner: JID, kind: str) -> dict[str, bytes]:
        """Read all documents of a kind."""
        return dict(sorted(self._tables.of(owner).documents.get(kind, {}).items()))

    async def kinds(self, owner: JID) -> list[str]:
        """The kinds of which the owner has documents."""
        return sorted(kind for kind, documents in self._tables.of(owner).documents.items() if documents)

    async def owners(self, after: str | None = None, limit: int = 100) -> list[JID]:
        """Who has documents, from behind `after`."""
        found = [owner for owner, owned in self._tables.owned.items() if any(owned.documents.values())]
        return sorted((owner for owner in found if str(owner) > (after or "")), key=str)[:limit]

    def put(self, owner: JID, kind: str, key: str, data: bytes) -> Pending[None]:
        """Add or replace one document."""

        def action() -> None:
            self._tables.owned.setdefault(owner, _Owned()).documents.setdefault(kind, {})[key] = data

        return self._tables.write(action)

    def remove(self, owner: JID, kind: str, key: str) -> Pending[None]:
        """Remove one document."""

        def action() -> None:
            self._tables.of(owner).documents.get(kind, {}).pop(key, None)

        return self._tables.write(action)


class MemorySessions:
    """`storage.api.Sessions`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def save_all(self, sessions: Sequence[SavedSession]) -> Pending[None]:
        """Save sessions."""
        saved = {session.token: session for session in sessions}

        def action() -> None:
            self._tables.sessions.update(saved)

        return self._tables.write(action)

    def load_all(self) -> Pending[list[SavedSession]]:
        """Read and forget all saved sessions."""

        def action() -> list[SavedSession]:
            sessions, self._tables.sessions = self._tables.sessions, {}
            return list(sessions.values())

        return self._tables.write(action)
