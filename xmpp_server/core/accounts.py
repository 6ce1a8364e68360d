"""The accounts of a host that are in memory: those with sessions, and some that were asked for lately."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from xmpp_server.core.hooks import AccountLoaded
from xmpp_server.jid import JID
from xmpp_server.storage.api import AccountRecord, RosterItem

if TYPE_CHECKING:
    from xmpp_server.core.host import Host
    from xmpp_server.core.session import Session

#: How many accounts without a session stay in memory.
IDLE_LIMIT = 10_000
#: How many names are remembered that no account has.
ABSENT_LIMIT = 10_000


class Account:
    """A local account, its roster and its sessions."""

    __slots__ = (
        "available",
        "deleted",
        "host",
        "jid",
        "offline_count",
        "record",
        "roster",
        "roster_version",
        "sessions",
        "state",
    )

    def __init__(self, host: Host, jid: JID, record: AccountRecord | None) -> None:
        self.host = host
        self.jid = jid
        #: None for an anonymous account, which is nowhere stored.
        self.record = record
        self.roster: dict[str, RosterItem] = {}
        self.roster_version = 0
        #: By resource; hibernated sessions are among them.
        self.sessions: dict[str, Session] = {}
        #: Sessions with an available presence of non-negative priority; kept by `refresh`.
        self.available: tuple[Session, ...] = ()
        self.offline_count = 0
        self.deleted = False
        self.state: dict[object, object] = {}

    @property
    def anonymous(self) -> bool:
        """Whether the account ends with its session (RFC 4505)."""
        return self.record is None

    def refresh(self) -> None:
        """Rebuild `available` after a session came, went, or changed its presence."""
        self.available = tuple(
            session for session in self.sessions.values() if session.presence is not None and session.priority >= 0
        )


class Accounts:
    """Finds accounts: at once where they are in memory, from storage else."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: By localpart: accounts with at least one session.
        self._active: dict[str, Account] = {}
        self._idle: OrderedDict[str, Account] = OrderedDict()
        #: Names that storage was asked for in vain, the oldest first.
        self._absent: OrderedDict[str, None] = OrderedDict()
        #: How often `forget` was called: what was read before is not to be remembered.
        self._forgotten = 0
        #: The kinds of documents that modules want with each account (see `storage.api`).
        self.document_kinds: set[str] = set()

    def get(self, localpart: str) -> Account | None:
        """Return the account if it is in memory."""
        return self._active.get(localpart) or self._idle.get(localpart)

    @property
    def active(self) -> dict[str, Account]:
        """The accounts that have sessions."""
        return self._active

    async def load(self, jid: JID) -> Account | None:
        """Return the account of a bare JID, from storage if need be, or None where there is no such account."""
        localpart = jid.localpart
        assert localpart is not None  # noqa: S101 - accounts have one
        if found := self.get(localpart):
            return found
        forgotten = self._forgotten
        loaded = await self._host.storage.load_account(jid, tuple(sorted(self.document_kinds)))
        if found := self.get(localpart):  # somebody was faster
            return found
        if loaded is None:
            if forgotten == self._forgotten:
                self._note_absent(localpart)
            return None
        account = Account(self._host, jid, loaded.record)
        account.roster = {str(item.jid): item for item in loaded.roster}
        account.roster_version = loaded.roster_version
        account.offline_count = loaded.offline_count
        self._rest(localpart, account)
        self._host.hooks.account_loaded.fire(AccountLoaded(account, loaded.documents))
        return account

    def is_absent(self, localpart: str) -> bool:
        """Tell whether storage was asked for an account in vain lately.

        For answers that must come as fast for unknown names as for accounts in memory (RFC 6120 §13.11).
        """
        return localpart in self._absent

    def _note_absent(self, localpart: str) -> None:
        self._absent[localpart] = None
        while len(self._absent) > ABSENT_LIMIT:
            self._absent.popitem(last=False)

    def add_anonymous(self, jid: JID) -> Account:
        """Make an account that lasts as long as its session."""
        assert jid.localpart is not None  # noqa: S101 - accounts have one
        account = Account(self._host, jid, None)
        self._rest(jid.localpart, account)
        self._host.hooks.account_loaded.fire(AccountLoaded(account, {}))
        return account

    def activate(self, account: Account) -> None:
        """Keep an account in memory because it has a session now."""
        assert account.jid.localpart is not None  # noqa: S101 - accounts have one
        self._idle.pop(account.jid.localpart, None)
        self._active[account.jid.localpart] = account

    def release(self, account: Account) -> None:
        """Let an account go that has lost its last session."""
        assert account.jid.localpart is not None  # noqa: S101 - accounts have one
        if self._active.pop(account.jid.localpart, None) and not account.anonymous and not account.deleted:
            self._rest(account.jid.localpart, account)

    def _rest(self, localpart: str, account: Account) -> None:
        """Keep an account without a session in memory for a while."""
        self._idle[localpart] = account
        while len(self._idle) > IDLE_LIMIT:
            self._idle.popitem(last=False)

    def forget(self, localpart: str) -> None:
        """Drop what is known of an account that is made, deleted or changed in storage by somebody else."""
        self._forgotten += 1
        self._absent.pop(localpart, None)
        self._active.pop(localpart, None)
        self._idle.pop(localpart, None)
