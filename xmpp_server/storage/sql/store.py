"""`storage.api.Storage` over SQL: what each call reads and writes, as scripts for a driver."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from xmpp_server.jid import JID
from xmpp_server.storage.api import (
    AccountRecord,
    Durability,
    LoadedAccount,
    NoSuchAccountError,
    OfflineMessage,
    Roster,
    RosterItem,
    SavedSession,
    StorageError,
)
from xmpp_server.storage.commit import Pending
from xmpp_server.storage.sql import rows
from xmpp_server.storage.sql.script import Row, Script, Work, fetch
from xmpp_server.storage.sql.statements import SIZES, Statement, Statements, padded, sized
from xmpp_server.storage.sql.writer import Committer, GroupLimits, GroupWriter

if TYPE_CHECKING:
    from xmpp_server.sasl.credentials import ScramKeys

R = TypeVar("R")
T = TypeVar("T")

_RELAXED_WINDOW_S = 0.2


class Driver(Committer, Protocol):
    """A database: reads and commits scripts."""

    statements: Statements

    async def open(self) -> None:
        """Connect and bring the schema up to date."""

    async def close(self) -> None:
        """Finish what was submitted and disconnect."""

    async def revision(self) -> str | None:
        """Read the revision of the schema over a connection of its own, None for an empty database."""

    async def read(self, script: Script[T]) -> T:
        """Run a reading script; raises `StorageError`."""


class SqlStorage:
    """A store in an SQL database."""

    def __init__(self, driver: Driver, durability: Durability, limits: GroupLimits | None = None) -> None:
        if limits is None:
            relaxed = durability is Durability.RELAXED
            limits = GroupLimits(window_s=_RELAXED_WINDOW_S) if relaxed else GroupLimits()
        self._driver = driver
        self._writer = GroupWriter(driver, limits)
        access = _Access(driver, self._writer)
        self._access = access
        self.accounts = SqlAccounts(access)
        self.rosters = SqlRosters(access)
        self.offline = SqlOffline(access)
        self.documents = SqlDocuments(access)
        self.sessions = SqlSessions(access)

    @property
    def queued(self) -> int:
        """Writes that are not yet committed."""
        return self._writer.queued

    @property
    def failure(self) -> StorageError | None:
        """Why the store is broken for good, None while it works."""
        return self._writer.failure

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        await self._driver.open()

    async def close(self) -> None:
        """Commit what is queued and disconnect."""
        await self._writer.drain()
        await self._driver.close()

    async def revision(self) -> str | None:
        """Read the revision of the schema, open or not; None for an empty database."""
        return await self._driver.revision()

    async def load_account(self, jid: JID, kinds: Collection[str] = ()) -> LoadedAccount | None:
        """Read at once what a session of a bare JID needs, None if there is no such account."""
        found = await self._access.read(str(jid), _load_account(self._access.sql, str(jid), sorted(set(kinds))))
        if found is None:
            return None
        row, document_rows = found
        documents: dict[str, dict[str, bytes]] = {}
        for kind, key, data in document_rows:
            documents.setdefault(kind, {})[key] = data
        items = rows.roster_items(jid, row[5])
        return LoadedAccount(rows.account_record(jid, row), row[4], items, row[6], documents)


class _Access:
    """The way of one call to the database."""

    def __init__(self, driver: Driver, writer: GroupWriter) -> None:
        self.sql = driver.statements
        self._driver = driver
        self._writer = writer

    async def read(self, owner: str | None, script: Script[T]) -> T:
        """Run a script after the earlier writes of an owner (None: of all)."""
        earlier = self._writer.newest(owner)
        if earlier is not None:
            with contextlib.suppress(StorageError):  # whoever wrote was told
                await earlier
        return await self._driver.read(script)

    async def rows(self, owner: str | None, statement: Statement[R], /, **values: object) -> Sequence[R]:
        """Read the rows of one statement."""
        return await self.read(owner, fetch(statement, **values))

    def write(self, owner: str, work: Work[T], size_bytes: int = 0) -> Pending[T]:
        """Queue a write."""
        return self._writer.write(owner, work, size_bytes)


def _load_account(
    sql: Statements, owner: str, kinds: list[str]
) -> Script[tuple[rows.LoadedRow, list[tuple[str, str, bytes]]] | None]:
    found = yield from fetch(sql.loaded, owner=owner)
    if not found:
        return None
    documents: list[tuple[str, str, bytes]] = []
    for start in range(0, len(kinds), SIZES[0]):
        some = kinds[start : start + SIZES[0]]
        size = sized(len(some))
        documents += yield from fetch(sql.documents_of_kinds.of(size), owner=owner, **padded(some, size))
    return found[0], documents


class SqlAccounts:
    """`storage.api.Accounts`."""

    def __init__(self, access: _Access) -> None:
        self._access = access
        self._sql = access.sql

    def create(self, record: AccountRecord) -> Pending[bool]:
        """Add an account."""
        jid = str(record.jid)
        values = {
            "jid": jid,
            "host": record.jid.domainpart,
            "enabled": int(record.enabled),
            "created": rows.microseconds(record.created),
            "credentials": rows.credentials_text(record.credentials),
            # Seconds, so that a client which cached the roster of an earlier account sees a version it never had.
            "roster_version": int(record.created.timestamp()),
        }
        return self._access.write(jid, partial(self._create, values))

    def _create(self, values: Mapping[str, object]) -> Script[bool]:
        if not (yield from fetch(self._sql.create_account, **values)):
            return False
        for statement in self._sql.delete_owned:
            yield from fetch(statement, owner=values["jid"])
        return True

    async def get(self, jid: JID) -> AccountRecord | None:
        """Read one account."""
        found = await self._access.rows(str(jid), self._sql.account, owner=str(jid))
        return rows.account_record(jid, found[0]) if found else None

    def set_credentials(self, jid: JID, credentials: Mapping[str, ScramKeys]) -> Pending[None]:
        """Replace all credentials."""
        text = rows.credentials_text(credentials)
        return self._access.write(
            str(jid), partial(_change, self._sql.set_credentials, owner=str(jid), credentials=text)
        )

    def set_enabled(self, jid: JID, enabled: bool) -> Pending[None]:
        """Enable or disable an account."""
        return self._access.write(
            str(jid), partial(_change, self._sql.set_enabled, owner=str(jid), enabled=int(enabled))
        )

    def delete(self, jid: JID) -> Pending[bool]:
        """Remove an account and all it owns."""
        return self._access.write(str(jid), partial(self._delete, str(jid)))

    def _delete(self, owner: str) -> Script[bool]:
        gone = yield from fetch(self._sql.delete_account, owner=owner)
        for statement in self._sql.delete_owned:
            yield from fetch(statement, owner=owner)
        return bool(gone)

    async def hosts(self) -> list[str]:
        """The hosts that have accounts, sorted."""
        return [row[0] for row in await self._access.rows(None, self._sql.hosts)]

    async def list(self, host: str, after: str | None = None, limit: int = 100) -> list[JID]:
        """Bare JIDs of a host behind `after`."""
        found = await self._access.rows(None, self._sql.list_accounts, host=host, after=after or "", limit=limit)
        return [JID.parse(row[0]) for row in found]

    async def count(self, host: str) -> int:
        """How many accounts a host has."""
        return (await self._access.rows(None, self._sql.count_accounts, host=host))[0][0]


def _change(statement: Statement[tuple[str]], **values: object) -> Script[None]:
    if not (yield from fetch(statement, **values)):
        raise NoSuchAccountError(f"No account {values['owner']}")


class SqlRosters:
    """`storage.api.Rosters`."""

    def __init__(self, access: _Access) -> None:
        self._access = access
        self._sql = access.sql

    async def load(self, jid: JID) -> Roster:
        """Read a roster."""
        found = await self._access.rows(str(jid), self._sql.roster, owner=str(jid))
        if not found:
            return Roster(0, [])
        return Roster(found[0][0], rows.roster_items(jid, found[0][1]))

    def put(self, jid: JID, item: RosterItem) -> Pending[int]:
        """Add or replace an item."""
        values = rows.item_values(item)
        return self._access.write(str(jid), partial(self._change, self._sql.put_item, str(jid), values))

    def remove(self, jid: JID, contact: JID) -> Pending[int]:
        """Remove an item."""
        values = {"contact": str(contact)}
        return self._access.write(str(jid), partial(self._change, self._sql.remove_item, str(jid), values))

    def _change(self, statement: Statement[tuple[()]], owner: str, values: Mapping[str, object]) -> Script[int]:
        versions = yield from fetch(self._sql.next_roster_version, owner=owner)
        if not versions:
            raise NoSuchAccountError(f"No account {owner}")
        yield from fetch(statement, owner=owner, **values)
        return versions[0][0]


class SqlOffline:
    """`storage.api.Offline`."""

    def __init__(self, access: _Access) -> None:
        self._access = access
        self._sql = access.sql

    def append(self, user: JID, message: OfflineMessage) -> Pending[None]:
        """Keep a message."""
        owner = str(user)
        values = (owner, message.id, rows.microseconds(message.stamp), message.stanza)
        return self._access.write(owner, Row(self._sql.append_offline, values), len(message.stanza))

    async def load(self, user: JID, after: str | None = None, limit: int = 1000) -> list[OfflineMessage]:
        """Read messages behind the id `after`."""
        owner = str(user)
        found = await self._access.rows(owner, self._sql.load_offline, owner=owner, after=after or "", limit=limit)
        return [rows.offline_message(row) for row in found]

    def remove(self, user: JID, ids: Collection[str]) -> Pending[None]:
        """Forget messages."""
        return self._access.write(str(user), partial(self._remove, str(user), list(ids)))

    def _remove(self, owner: str, ids: list[str]) -> Script[None]:
        for start in range(0, len(ids), SIZES[0]):
            some = ids[start : start + SIZES[0]]
            size = sized(len(some))
            yield from fetch(self._sql.remove_offline.of(size), owner=owner, **padded(some, size))

    async def count(self, user: JID) -> int:
        """How many messages are kept."""
        return (await self._access.rows(str(user), self._sql.count_offline, owner=str(user)))[0][0]


class SqlDocuments:
    """`storage.api.Documents`."""

    def __init__(self, access: _Access) -> None:
        self._access = access
        self._sql = access.sql

    async def get(self, owner: JID, kind: str, key: str) -> bytes | None:
        """Read one document."""
        found = await self._access.rows(str(owner), self._sql.document, owner=str(owner), kind=kind, key=key)
        return found[0][0] if found else None

    async def all(self, owner: JID, kind: str) -> dict[str, bytes]:
        """Read all documents of a kind."""
        found = await self._access.rows(str(owner), self._sql.documents, owner=str(owner), kind=kind)
        return {row[0]: row[1] for row in found}

    async def kinds(self, owner: JID) -> list[str]:
        """The kinds of which the owner has documents."""
        return [row[0] for row in await self._access.rows(str(owner), self._sql.kinds, owner=str(owner))]

    async def owners(self, after: str | None = None, limit: int = 100) -> list[JID]:
        """Who has documents, from behind `after`."""
        found = await self._access.rows(None, self._sql.document_owners, after=after or "", limit=limit)
        return [JID.parse(row[0]) for row in found]

    def put(self, owner: JID, kind: str, key: str, data: bytes) -> Pending[None]:
        """Add or replace one document."""
        work = partial(_one, self._sql.put_document, owner=str(owner), kind=kind, key=key, data=data)
        return self._access.write(str(owner), work, len(data))

    def remove(self, owner: JID, kind: str, key: str) -> Pending[None]:
        """Remove one document."""
        work = partial(_one, self._sql.remove_document, owner=str(owner), kind=kind, key=key)
        return self._access.write(str(owner), work)


def _one(statement: Statement[tuple[()]], **values: object) -> Script[None]:
    yield from fetch(statement, **values)


class SqlSessions:
    """`storage.api.Sessions`."""

    def __init__(self, access: _Access) -> None:
        self._access = access
        self._sql = access.sql

    def save_all(self, sessions: Sequence[SavedSession]) -> Pending[None]:
        """Save sessions."""
        saved = tuple(sessions)
        return self._access.write("", partial(self._save, saved), sum(len(session.data) for session in saved))

    def _save(self, sessions: tuple[SavedSession, ...]) -> Script[None]:
        for session in sessions:
            yield from fetch(self._sql.save_session, **rows.session_values(session))

    def load_all(self) -> Pending[list[SavedSession]]:
        """Read and forget all saved sessions."""
        loaded: Pending[list[SavedSession]] = Pending()

        def decode(taken: Pending[Sequence[rows.SessionRow]]) -> None:
            # Here and not in the script: that may run on another thread, where no JID is to be parsed.
            try:
                loaded.succeed(rows.saved_sessions(taken.result()))
            except StorageError as error:
                loaded.fail(error)

        take: Callable[[], Script[Sequence[rows.SessionRow]]] = partial(fetch, self._sql.take_sessions)
        self._access.write("", take).add_done_callback(decode)
        return loaded
