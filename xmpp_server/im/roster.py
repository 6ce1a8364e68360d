"""RFC 6121 §2: the roster: get, set, push, versions; the one place where roster items change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from xmpp_server.core.accounts import Account
from xmpp_server.core.hooks import Notify
from xmpp_server.core.host import Host
from xmpp_server.core.module import (
    Access,
    AccountLoaded,
    Inbound,
    IqRequest,
    IqType,
    Module,
    Order,
    SessionState,
    Slot,
    To,
)
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.roster_items import RosterSet, is_listed, item_element, looks_the_same, query_element, read_set
from xmpp_server.im.roster_pushes import RosterPushes
from xmpp_server.im.shared_groups import SharedGroups, merged
from xmpp_server.im.subscriptions import UNLISTED
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.storage.api import RosterItem, StorageBusyError, StorageError, StorageFullError, Write
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PRE_APPROVAL, ROSTER, ROSTER_VERSIONING
from xmpp_server.xml.stanza import Stanza

#: Makes a new item of the stored one (None: there is none); may raise StanzaError.
Decide = Callable[[RosterItem | None], RosterItem | None]

QUERY: Final = f"{ROSTER} query"


class RosterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[modules.roster]`: `groups` are shared groups, name -> bare JIDs of their members."""

    groups: dict[str, list[str]] = {}

    def __post_init__(self) -> None:
        """Check the members; what is raised names the table."""
        for name, members in self.groups.items():
            for member in members:
                try:
                    JID.parse(member)
                except JIDMalformed as error:
                    raise ValueError(f"{member!r} in group {name!r} is no address: {error}") from None


class RosterChange:
    """An item of an account's roster has changed, for good and in memory. None stands for no item."""

    __slots__ = ("account", "new", "old")

    def __init__(self, account: Account, old: RosterItem | None, new: RosterItem | None) -> None:
        self.account = account
        self.old = old
        self.new = new


class Audience:
    """Who is subscribed to an account, and to whom it is subscribed: bare JIDs."""

    __slots__ = ("subscribers", "subscriptions")

    def __init__(self, account: Account) -> None:
        items = account.roster.values()
        self.subscribers = tuple([item.jid for item in items if item.subscription in ("from", "both")])
        self.subscriptions = tuple([item.jid for item in items if item.subscription in ("to", "both")])


class _Shared:
    """What an account has by shared groups, and its own stored items for the same contacts."""

    __slots__ = ("items", "own")

    def __init__(self) -> None:
        self.items: dict[str, RosterItem] = {}
        self.own: dict[str, RosterItem] = {}


class Roster(Module):
    """Keeps rosters. `Account.roster` is for everybody to read; it changes here alone, after each commit."""

    name = "roster"
    Config = RosterConfig
    config: RosterConfig

    def register(self, host: Host) -> None:
        """Take roster requests and announce what §2.6 and §3.4 offer."""
        self._host = host
        #: Fired after clients were told.
        self.changed: Notify[RosterChange] = Notify()
        #: A client has removed a contact. `old` is what was there.
        self.removed: Notify[RosterChange] = Notify()
        self._groups = SharedGroups(
            {name: [JID.parse(member) for member in members] for name, members in self.config.groups.items()}
        )
        self._pushes = RosterPushes(host, self._groups)
        self._writing: Slot[Write[int] | None] = Slot("roster-writing", lambda: None)
        self._audience: Slot[Audience | None] = Slot("roster-audience", lambda: None)
        self._shared: Slot[_Shared] = Slot("roster-shared", _Shared)
        host.on_iq(IqType.GET, To.ACCOUNT, QUERY, self._get, Access.ANYONE)
        host.on_iq(IqType.SET, To.ACCOUNT, QUERY, self._set, Access.ANYONE)
        host.hooks.iq_in.add(self._keep_out, Order.POLICY)
        host.hooks.account_loaded.add(self._loaded)
        host.hooks.stream_features.add(self._features)
        host.hooks.session_saved.add(self._save)
        host.hooks.session_restored.add(self._restore)

    # For other modules.

    def audience(self, account: Account) -> Audience:
        """Return who is subscribed to an account and to whom it is; computed when the roster has changed."""
        audience = self._audience.peek(account)
        if audience is None:
            audience = Audience(account)
            self._audience.set(account, audience)
        return audience

    @staticmethod
    def may_see(account: Account, contact: JID) -> bool:
        """Tell whether `contact` (a bare JID) may see the account's presence: a subscriber, or itself."""
        item = account.roster.get(contact)
        return (item is not None and item.subscription in ("from", "both")) or contact == account.jid

    def is_shared(self, account: Account, contact: JID) -> bool:
        """Tell whether a contact is in a shared group with the account, so that nothing can part them."""
        shared = self._shared.peek(account)
        return shared is not None and contact in shared.items

    def is_interested(self, session: Session) -> bool:
        """Tell whether a session has asked for the roster (§2.2)."""
        return self._pushes.is_interested(session)

    def version(self, account: Account) -> str:
        """Return the version of a roster (§2.6)."""
        return self._pushes.version(account)

    async def change(
        self, account: Account, contact: JID, decide: Decide, first: Callable[[], None] | None = None
    ) -> RosterChange:
        """Change one item: decide on what is stored, write, and once that is committed change memory and push.

        Changes of one account follow each other, so that each decides on what the one before has left. `first` is
        called between commit and push, if there was anything to write.

        Raises:
            StanzaError: `decide` refused, or the item cannot be stored; nothing has changed then.

        """
        while (busy := self._writing.peek(account)) is not None and not busy.done():
            try:
                await busy
            except StorageError:  # whoever wrote it is told
                continue
        old = self._stored(account, contact)
        new = decide(old)
        change = RosterChange(account, old, new)
        if new == old:
            return change
        if account.anonymous:
            self._commit(change, contact, account.roster_version + 1, first)
            return change
        rosters = self._host.storage.rosters
        write = rosters.remove(account.jid, contact) if new is None else rosters.put(account.jid, new)
        self._writing.set(account, write)
        # Not after the `await`: the next change may look at the roster before this coroutine goes on.
        write.add_done_callback(partial(self._written, change, contact, first))
        try:
            await write
        except (StorageBusyError, StorageFullError) as error:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The roster cannot be stored now") from error
        except StorageError as error:
            raise StanzaError(Condition.INTERNAL_SERVER_ERROR) from error
        return change

    # From here on: what `change` does once it is committed.

    def _written(self, change: RosterChange, contact: JID, first: Callable[[], None] | None, write: Write[int]) -> None:
        self._writing.discard(change.account)
        if write.exception() is None:
            self._commit(change, contact, write.result(), first)

    def _commit(self, change: RosterChange, contact: JID, version: int, first: Callable[[], None] | None) -> None:
        account = change.account
        since, account.roster_version = account.roster_version, version
        before = account.roster.get(contact)
        self._remember(account, contact, change.new)
        self._audience.discard(account)
        if first is not None:
            first()
        if not looks_the_same(before, account.roster.get(contact)):
            self._pushes.changed(account, contact, since)
        self.changed.fire(change)

    def _stored(self, account: Account, contact: JID) -> RosterItem | None:
        """Return the item as it is stored, without what shared groups add."""
        shared = self._shared.peek(account)
        if shared is not None and contact in shared.items:
            return shared.own.get(contact)
        return account.roster.get(contact)

    def _remember(self, account: Account, contact: JID, item: RosterItem | None) -> None:
        shared = self._shared.peek(account)
        if shared is not None and contact in shared.items:
            if item is None:
                shared.own.pop(contact, None)
            else:
                shared.own[contact] = item
            item = merged(shared.items[contact], item)
        if item is None:
            account.roster.pop(contact, None)
        else:
            account.roster[str(contact)] = item

    # Requests of clients.

    def _get(self, request: IqRequest) -> Element | None:
        """§2.2: from now on the session is interested. §2.6: who knows it all, or nearly all, gets what is missing."""
        _check_owner(request)
        account, session = request.own, request.session
        if session is not None:
            self._pushes.begin(session)
        known = request.payload.get("ver")
        version = None if known is None else self.version(account)
        if known is not None and known == version:
            return None
        items = [item for item in account.roster.values() if is_listed(item)]
        if session is not None and known and self._pushes.catch_up(session, known, len(items)):
            return None
        return query_element([item_element(item) for item in items], version)

    async def _set(self, request: IqRequest) -> None:
        """§2.3, §2.4, §2.5: add, change, remove."""
        _check_owner(request)
        account = request.own
        wish = read_set(request.payload)
        if wish.jid == account.jid:
            raise StanzaError(Condition.NOT_ALLOWED, "Nobody is in their own roster")
        if wish.remove:
            await self._remove(account, wish.jid)
        else:
            await self.change(account, wish.jid, partial(self._edited, account, wish))

    async def _remove(self, account: Account, contact: JID) -> None:
        if self.is_shared(account, contact):
            raise StanzaError(Condition.NOT_ALLOWED, "This contact is in a group of the server's")

        def decide(item: RosterItem | None) -> None:
            if not is_listed(item):
                raise StanzaError(Condition.ITEM_NOT_FOUND)

        self.removed.fire(await self.change(account, contact, decide))

    def _edited(self, account: Account, wish: RosterSet, item: RosterItem | None) -> RosterItem:
        """Put the client's wishes into an item, or make a new one."""
        groups = wish.groups
        shared = self._shared.peek(account)
        if shared is not None and wish.jid in shared.items:
            groups = tuple(group for group in groups if group not in shared.items[wish.jid].groups)
        if item is not None and is_listed(item):
            return replace(item, name=wish.name, groups=groups)
        self.make_room(account)
        return replace(item or RosterItem(wish.jid), name=wish.name, groups=groups, subscription="none")

    def make_room(self, account: Account) -> None:
        """Hold a new entry against the limit of entries.

        Raises:
            StanzaError: The roster is full.

        """
        limit = self._host.limits.roster_items
        if sum(item.subscription != UNLISTED for item in account.roster.values()) >= limit:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"A roster has at most {limit} entries")

    # Hooks.

    @staticmethod
    def _keep_out(event: Inbound) -> bool:
        """§2.1.6: take no push, and no result with contacts, from others for a client; some would believe it.

        The answer is that of a resource that is not there, so that nobody learns which are. Other results are
        delivered as §8.5.3.1 demands.
        """
        stanza = event.stanza
        if QUERY in stanza.children and event.to.is_full and stanza.sender != event.account.jid and _tells(stanza):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return False

    def _loaded(self, event: AccountLoaded) -> None:
        """Put what shared groups add into the roster of an account."""
        account = event.account
        items = self._groups.items(account.jid)
        if not items:
            return
        shared = self._shared.get(account)
        shared.items = items
        for jid, item in items.items():
            own = account.roster.get(jid)
            if own is not None:
                shared.own[jid] = own
            account.roster[jid] = merged(item, own)

    def _save(self, event: SessionState) -> None:
        if self.is_interested(event.session):
            event.data[self.name] = b""

    def _restore(self, event: SessionState) -> None:
        if self.name in event.data:
            self._pushes.begin(event.session)

    @staticmethod
    def _features(features: list[Element]) -> None:
        features.append(Element("ver", ROSTER_VERSIONING))
        features.append(Element("sub", PRE_APPROVAL))


def _tells(stanza: Stanza) -> bool:
    """Tell whether a client could learn of contacts from an IQ with `<query/>`."""
    if stanza.type == IqType.RESULT:
        return any(list(query.elements()) for query in stanza.element.findall("query", ROSTER))
    return stanza.type == IqType.SET


def _check_owner(request: IqRequest) -> None:
    """§2.1.5, §2.3.3: nobody touches another's roster, and the answer does not tell whether there is one."""
    if request.sender.bare != request.to:
        raise StanzaError(Condition.FORBIDDEN)
