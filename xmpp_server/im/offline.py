"""XEP-0160: messages for those who are not there, and what clients under XEP-0198 have not acknowledged."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.management import Sent
from xmpp_server.core.module import Inbound, Module, Order, PresenceChange, Slot, Xep
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.delivery import CHAT, NORMAL, message_type
from xmpp_server.jid import JID
from xmpp_server.stanzas.delay import Delay
from xmpp_server.storage.api import OfflineMessage, StorageError, Write
from xmpp_server.xml.namespaces import CARBONS, CHAT_STATES, CLIENT, HINTS, SID
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Receipt, Stanza
from xmpp_server.xml.writer import serialize

BODY = f"{CLIENT} body"
STORE = f"{HINTS} store"
NO_STORE = f"{HINTS} no-store"
NO_PERMANENT_STORE = f"{HINTS} no-permanent-store"
CARBON = f"{CARBONS} "
#: Payloads that alone are not worth keeping.
TRANSIENT = (f"{CHAT_STATES} ", f"{HINTS} ", f"{SID} ")
PAGE = 100

log = structlog.get_logger()


def keeping(stanza: Stanza) -> tuple[bool, str]:
    """Tell whether to keep a message for later, and why (XEP-0160 §3, XEP-0334 §4)."""
    kind = stanza.type
    if kind != CHAT and message_type(kind) != NORMAL:
        return False, "type"
    children = stanza.children
    if len(children) == 1 and children[0] == BODY:  # most messages
        return True, "body"
    if NO_STORE in children or NO_PERMANENT_STORE in children:
        return False, "hint"
    if STORE in children:
        return True, "hint"
    if any(tag.startswith(CARBON) for tag in children):
        return False, "carbon"
    if BODY in children:
        return True, "body"
    if all(tag.startswith(TRANSIENT) or tag.endswith(" thread") for tag in children):
        return False, "nothing to keep"
    return True, "payload"


class Claims:
    """The stored messages that a session of the account has been given, but has not acknowledged."""

    __slots__ = ("ids",)

    def __init__(self) -> None:
        self.ids: set[str] = set()


class Offline(Module):
    """Stores messages, and gives them to the next resource that is there to take them."""

    name = "offline"
    xeps = (Xep(160, "1.0.1"),)
    features = ("msgoffline",)

    def register(self, host: Host) -> None:
        """Take what delivery leaves over, and become the host's keeper."""
        self._host = host
        self._claims: Slot[Claims] = Slot("offline-claims", Claims)
        host.hooks.message_in.add(self.store, Order.FALLBACK)
        host.hooks.presence_changed.add(self.on_presence)
        host.keeper = self

    def store(self, event: Inbound) -> bool:
        """Keep a message that nobody was there to take.

        Raises:
            StanzaError: service-unavailable past the account's quota (XEP-0160 §3).

        """
        account, stanza = event.account, event.stanza
        keep, _ = keeping(stanza)
        if not keep:
            return True
        if account.anonymous or account.offline_count >= self._host.limits.offline_messages:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, "The recipient's storage for messages is full")
        receipt = stanza.receipt
        if receipt is not None:
            receipt.hold()
        self._append(account, stanza, stanza.wire, receipt)
        return True

    def _append(self, account: Account, stanza: Stanza, wire: bytes, receipt: Receipt | None) -> str:
        """Write a message; its sender's receipt is released when it is committed, or the sender told that it is not."""
        ident = stanza.stable_id or self._host.ids.new()
        account.offline_count += 1
        write = self._host.storage.offline.append(account.jid, OfflineMessage(ident, self._host.utcnow(), wire))

        def done(commit: Write[None]) -> None:
            error = commit.exception()
            if error is not None:
                account.offline_count -= 1
                log.error("message-not-stored", account=str(account.jid), id=stanza.id, error=str(error))
                refusal = StanzaError(Condition.RESOURCE_CONSTRAINT, "The message could not be stored")
                wait = self._host.router.reject(stanza, refusal)
                if wait is not None:
                    self._host.runtime.spawn(self._host.router.guard(stanza, wait), "offline-refusal")
            if receipt is not None:
                receipt.release()

        write.add_done_callback(done)
        return ident

    # What the kernel asks of its keeper (`core.keeper`).

    def keep(self, account: Account, item: Sent) -> None:
        """Write an unacknowledged message, so that its sender can be told that it is safe."""
        if item.stored_id is None and not account.anonymous and item.stanza.name == "message":
            keep, _ = keeping(item.stanza)
            if keep:
                item.stored_id = self._append(account, item.stanza, item.wire, item.receipt)
                self._claims.get(account).ids.add(item.stored_id)
                item.receipt = None
        if item.receipt is not None:
            item.receipt.release()
            item.receipt = None

    def delivered(self, account: Account, stored_ids: list[str]) -> None:
        """Forget rows whose messages a client has."""
        self._claims.get(account).ids.difference_update(stored_ids)
        account.offline_count = max(0, account.offline_count - len(stored_ids))
        if not account.deleted:
            self._host.storage.offline.remove(account.jid, stored_ids)

    def reclaim(self, account: Account, stored_ids: list[str]) -> None:
        """Note that a restored session has these rows in its queue."""
        self._claims.get(account).ids.update(stored_ids)

    def unacknowledged(self, session: Session, items: list[Sent]) -> None:
        """Give what a dead session has not acknowledged to those who have not seen it, or keep it (XEP-0198 §5)."""
        claims = self._claims.get(session.account)
        for item in items:
            if item.stored_id is not None:
                claims.ids.discard(item.stored_id)
            if item.stanza.name == "message":
                self._message_left(session, item)
            elif item.stanza.name == "iq":
                wait = self._host.router.reject(item.stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
                if wait is not None:
                    self._host.runtime.spawn(self._host.router.guard(item.stanza, wait), "iq-refusal")
        self._release(items)

    def _message_left(self, session: Session, item: Sent) -> None:
        account, stanza = session.account, item.stanza
        if account.deleted or stanza.sender == account.jid:
            return
        others = account.available
        if not others:
            self.keep(account, item)
            if item.stored_id is not None:
                claims = self._claims.get(account)
                claims.ids.discard(item.stored_id)
            return
        if stanza.to is None or stanza.to.is_bare:  # the others were given it, too
            if item.stored_id is not None:
                self.delivered(account, [item.stored_id])
            return
        if not keeping(stanza)[0]:
            return
        for other in others:
            other.send(stanza, item.wire, item.stored_id if other is others[0] else None)
            if item.stored_id is not None and other is others[0]:
                self._claims.get(account).ids.add(item.stored_id)

    @staticmethod
    def _release(items: Iterable[Sent]) -> None:
        for item in items:
            if item.receipt is not None:
                item.receipt.release()
                item.receipt = None

    # Giving it back.

    def on_presence(self, change: PresenceChange) -> None:
        """A resource of non-negative priority has come: it gets what was stored (RFC 6121 §8.5.2.1.1 and XEP-0160)."""
        session = change.session
        if change.new is not None and session.priority >= 0 and session.account.offline_count > 0:
            self._host.runtime.spawn(self.flush(session), "offline-flush")

    async def flush(self, session: Session) -> None:
        """Send the stored messages, oldest first; each row goes when the client has its message."""
        account = session.account
        claims = self._claims.get(account).ids
        after: str | None = None
        while True:
            try:
                page = await self._host.storage.offline.load(account.jid, after, PAGE)
            except StorageError as error:
                log.error("offline-not-read", account=str(account.jid), error=str(error))
                return
            for row in page:
                if session.closed or session.presence is None:
                    return
                after = row.id
                if row.id not in claims:
                    claims.add(row.id)
                    self._give(session, row)
            if len(page) < PAGE:
                return

    def _give(self, session: Session, row: OfflineMessage) -> None:
        try:
            element = parse(row.stanza)
            sender = JID.parse(element.attrs["from"])
            to = JID.parse(element.attrs["to"]) if "to" in element.attrs else None
        except (ValueError, KeyError):
            # one bad row must not keep the others from their reader
            log.error("offline-row-unreadable", account=str(session.account.jid), id=row.id)
            return
        stanza = Stanza.build(element, sender, to)
        delay = Delay(row.stamp, self._host.jid, "Offline Storage").to_element()
        stanza = stanza.annotated(serialize(delay), delay.tag)
        session.send(stanza, stanza.wire, row.id)
