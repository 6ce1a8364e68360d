"""The life of accounts: made, given passwords, disabled, deleted; for admins, registration and command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from xmpp_server.core.confusables import skeleton
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys, derive_all, prepare_password
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.storage.api import AccountRecord, NoSuchAccountError, RosterItem

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.host import Host
    from xmpp_server.core.session import Session
    from xmpp_server.xml.stanza import Stanza

#: The host's own documents: skeleton of a name -> the localpart that has it.
SKELETONS = "skeletons"
ITERATIONS = 10_000

Credentials = Mapping[str, ScramKeys]
#: Runs CPU-bound work where it holds up nobody.
Derive = Callable[[Callable[[], Credentials]], Awaitable[Credentials]]

log = structlog.get_logger()


class AccountExistsError(Exception):
    """There is an account of that name."""


class LookAlikeError(AccountExistsError):
    """There is an account whose name looks the same."""


async def _inline(work: Callable[[], Credentials]) -> Credentials:
    return work()


class Provisioning:
    """Changes the accounts of one host, in storage and in memory.

    `derive` and `iterations` (of SCRAM) are set by the application before the first use.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.derive: Derive = _inline
        self.iterations = ITERATIONS
        #: Skeletons of the names that are being taken just now.
        self._being_taken: set[str] = set()

    async def create(self, jid: JID, password: str, *, may_look_alike: bool = True) -> None:
        """Make an account for a bare JID of this host.

        Raises:
            AccountExistsError: The name is taken; as LookAlikeError, by one that looks the same.
            PasswordError: This cannot be a password.
            StorageError: It could not be written.

        """
        localpart = self._localpart(jid)
        shape = skeleton(localpart)
        if shape in self._being_taken:
            raise LookAlikeError(f"A name like {localpart} is being taken")
        self._being_taken.add(shape)
        try:
            await self._create(jid, localpart, shape, password, may_look_alike=may_look_alike)
        finally:
            self._being_taken.discard(shape)

    async def _create(self, jid: JID, localpart: str, shape: str, password: str, *, may_look_alike: bool) -> None:
        documents = self._host.storage.documents
        holder = await documents.get(self._host.jid, SKELETONS, shape)
        is_held = holder is not None and await self._is_another(holder.decode(), localpart)
        if is_held and not may_look_alike:
            raise LookAlikeError(f"A name like {localpart} is taken")
        credentials = await self._credentials(password)
        record = AccountRecord(jid=jid, enabled=True, created=self._host.utcnow(), credentials=credentials)
        if not await self._host.storage.accounts.create(record):
            raise AccountExistsError(f"{jid} exists already")
        self._host.accounts.forget(localpart)
        if not is_held:
            await documents.put(self._host.jid, SKELETONS, shape, localpart.encode())
        log.info("account-created", account=str(jid))

    async def _is_another(self, holder: str, localpart: str) -> bool:
        if holder == localpart:
            return False
        return await self._host.accounts.load(JID.of(holder, self._host.name)) is not None

    async def set_password(self, jid: JID, password: str) -> None:
        """Replace the password of an account.

        Raises:
            NoSuchAccountError: There is no such account.
            PasswordError: This cannot be a password.
            StorageError: It could not be written.

        """
        self._localpart(jid)
        account = await self._account(jid)
        credentials = await self._credentials(password)
        await self._host.storage.accounts.set_credentials(jid, credentials)
        if account.record is not None:
            account.record = replace(account.record, credentials=credentials)
        log.info("password-changed", account=str(jid))

    async def set_enabled(self, jid: JID, enabled: bool) -> None:
        """Let an account log in again, or not any more: its sessions end then.

        Raises:
            NoSuchAccountError: There is no such account.
            StorageError: It could not be written.

        """
        account = await self._account(jid)
        await self._host.storage.accounts.set_enabled(jid, enabled)
        if account.record is not None:
            account.record = replace(account.record, enabled=enabled)
        if not enabled:
            self._host.sessions.end_account(
                account, StreamError(StreamCondition.NOT_AUTHORIZED, "This account is disabled")
            )
        log.info("account-enabled" if enabled else "account-disabled", account=str(jid))

    async def delete(self, jid: JID, *, asker: Session | None = None) -> None:
        """Delete an account with all it owns; its contacts are told in the loop's next turn.

        The account's sessions end; that of `asker` ends last, so that it still hears the answer.

        Raises:
            NoSuchAccountError: There is no such account.
            StorageError: It could not be deleted.

        """
        localpart = self._localpart(jid)
        account = await self._account(jid)
        roster = await self._host.storage.rosters.load(jid)
        account.deleted = True
        for session in list(account.sessions.values()):
            if session is not asker:
                session.end(_GONE)
        try:
            existed = await self._host.storage.accounts.delete(jid)
        except BaseException:
            account.deleted = False
            raise
        self._host.accounts.forget(localpart)
        try:
            await self._free_name(localpart)
        finally:
            self._host.soon(lambda: self._farewell(account, roster.items))  # behind the answer to `asker`
        if not existed:
            raise NoSuchAccountError(f"No account {jid}")
        log.info("account-deleted", account=str(jid))

    def _farewell(self, account: Account, roster: list[RosterItem]) -> None:
        """End what is left of an account's sessions, and cancel its subscriptions (RFC 6121 §2.5.2, XEP-0077 §3.2)."""
        self._host.sessions.end_account(account, _GONE)
        for item in roster:
            if item.subscription in ("from", "both") or item.pending_in is not None:
                self._send(presence.build(account.jid, item.jid, PresenceType.UNSUBSCRIBED, id=self._host.ids.new()))
            if item.subscription in ("to", "both") or item.ask:
                self._send(presence.build(account.jid, item.jid, PresenceType.UNSUBSCRIBE, id=self._host.ids.new()))
        self._host.hooks.account_deleted.fire(account.jid)

    def _send(self, stanza: Stanza) -> None:
        wait = self._host.router.route(stanza)
        if wait is not None:
            self._host.runtime.spawn(self._host.router.guard(stanza, wait), "farewell")

    async def _free_name(self, localpart: str) -> None:
        documents = self._host.storage.documents
        shape = skeleton(localpart)
        if await documents.get(self._host.jid, SKELETONS, shape) == localpart.encode():
            await documents.remove(self._host.jid, SKELETONS, shape)

    async def _account(self, jid: JID) -> Account:
        self._localpart(jid)
        account = await self._host.accounts.load(jid)
        if account is None or account.anonymous or account.deleted:
            raise NoSuchAccountError(f"No account {jid}")
        return account

    def _localpart(self, jid: JID) -> str:
        if jid.localpart is None or jid.is_full or jid.domainpart != self._host.name:
            raise NoSuchAccountError(f"{jid} cannot be an account of {self._host.name}")
        return jid.localpart

    async def _credentials(self, password: str) -> Credentials:
        prepared = prepare_password(password)
        return await self.derive(lambda: derive_all(prepared, self.iterations))


_GONE = StreamError(StreamCondition.NOT_AUTHORIZED, "This account does not exist any more")
