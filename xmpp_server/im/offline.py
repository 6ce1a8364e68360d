"""XEP-0160: messages for those who are not there, and what clients under XEP-0198 have not acknowledged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.management import Sent
from xmpp_server.core.module import Inbound, Module, Order, PresenceChange, SessionEnd, Slot, Xep
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.backlog import Backlog
from xmpp_server.im.caught_up import CaughtUp
from xmpp_server.im.delivery import CHAT, NORMAL, Fate, message_type, unmatched_fate
from xmpp_server.im.under_way import Kept, Rows
from xmpp_server.jid import JID
from xmpp_server.stanzas.delay import Delay
from xmpp_server.storage.api import OfflineMessage, StorageError, StorageFailedError, Write
from xmpp_server.xml.namespaces import CARBONS, CHAT_STATES, CLIENT, DELAY, HINTS, MAM, SID
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Receipt, Stanza
from xmpp_server.xml.writer import serialize

BODY = f"{CLIENT} body"
STORE = f"{HINTS} store"
NO_STORE = f"{HINTS} no-store"
NO_PERMANENT_STORE = f"{HINTS} no-permanent-store"
DELAYED = f"{DELAY} delay"
COPIES = (f"{CARBONS} received", f"{CARBONS} sent", f"{MAM} result")
#: Payloads that alone are not worth keeping.
TRANSIENT = (f"{CHAT_STATES} ", f"{CARBONS} private", f"{HINTS} ", f"{SID} ")
PAGE = 100
#: No more is written to a connection while so much waits there for its reader: a full one is closed.
UNREAD_BYTES = 262_144
UNREAD_PAUSE_S = 0.1
#: What a session has in its queue, and the store does not take, is tried again; then its sender is told.
RETRY_S = 5.0
GIVE_UP_S = 60.0

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
    if any(tag in COPIES for tag in children):
        return False, "carbon"
    if BODY in children:
        return True, "body"
    if all(tag.startswith(TRANSIENT) or tag.endswith(" thread") for tag in children):
        return False, "nothing to keep"
    return True, "payload"


class Offline(Module):
    """Stores messages, and gives them to the next resource that is there to take them."""

    name = "offline"
    xeps = (Xep(160, "1.0.1"),)
    features = ("msgoffline",)

    def register(self, host: Host) -> None:
        """Take what delivery leaves over, and become the host's keeper."""
        self._host = host
        self._rows: Slot[Rows] = Slot("offline-rows", Rows)
        self._give_up_s = GIVE_UP_S
        self.caught_up = CaughtUp()
        host.hooks.message_in.add(self.store, Order.FALLBACK)
        host.hooks.presence_changed.add(self.on_presence)
        host.hooks.session_ended.add(self._ended)
        host.hooks.stopping.add(self._stopping)
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
        if account.deleted:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        if account.anonymous or account.offline_count >= self._host.limits.offline_messages:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, "The recipient's storage for messages is full")
        receipt = stanza.receipt
        if receipt is not None:
            receipt.hold()
        message = OfflineMessage(stanza.stable_id or self._host.ids.new(), self._host.utcnow(), stanza.wire)
        self._append(account, message, stanza, receipt)
        return True

    def _append(self, account: Account, message: OfflineMessage, stanza: Stanza, receipt: Receipt | None) -> None:
        """Write a message; its sender's receipt is released when it is committed, or the sender told that it is not."""
        account.offline_count += 1
        self._write(account, Kept(message, stanza, receipt, self._host.now()))

    def _write(self, account: Account, kept: Kept) -> None:
        rows = self._rows.get(account)
        ident = kept.message.id

        def done(commit: Write[None]) -> None:
            error = commit.exception()
            if ident not in rows.gone:  # else a client has it meanwhile, and the row is not missed
                if error is None:
                    self._stored(account, rows, ident)
                elif ident in rows.holders and self._is_worth_another_try(kept, error):
                    rows.unwritten[ident] = kept
                    self._host.runtime.schedule(RETRY_S, partial(self._write_again, account, ident))
                    return
                else:
                    self._not_stored(account, rows, ident, kept.stanza, error)
            kept.release()

        self._host.storage.offline.append(account.jid, kept.message).add_done_callback(done)

    def _is_worth_another_try(self, kept: Kept, error: BaseException) -> bool:
        """Tell whether to wait: the client may yet take the message, of which its sender would be told an error."""
        return self._host.now() - kept.since < self._give_up_s and not isinstance(error, StorageFailedError)

    def _write_again(self, account: Account, ident: str) -> None:
        kept = self._rows.get(account).unwritten.pop(ident, None)
        if kept is not None:
            self._write(account, kept)

    def _stopping(self, _: None) -> None:
        """Nobody is there to try again later."""
        self._give_up_s = 0.0

    def _stored(self, account: Account, rows: Rows, ident: str) -> None:
        """Give a new row to somebody who has come before it could be found in the store."""
        if ident not in rows.holders and account.available:
            rows.late = True
            self._begin_with_anybody(account)

    def _not_stored(self, account: Account, rows: Rows, ident: str, stanza: Stanza, error: BaseException) -> None:
        account.offline_count -= 1
        rows.forget(ident)
        log.error("message-not-stored", account=str(account.jid), id=stanza.id, error=str(error))
        refusal = StanzaError(Condition.RESOURCE_CONSTRAINT, "The message could not be stored")
        wait = self._host.router.reject(stanza, refusal)
        if wait is not None:
            self._host.runtime.spawn(self._host.router.guard(stanza, wait), "offline-refusal")

    def _remove(self, account: Account, idents: list[str]) -> None:
        account.offline_count = max(0, account.offline_count - len(idents))
        rows = self._rows.get(account)
        for ident in idents:
            self._need_not_write(rows, ident)
        if not account.deleted:
            gone = rows.gone
            gone.update(idents)
            write = self._host.storage.offline.remove(account.jid, idents)
            write.add_done_callback(lambda _: gone.difference_update(idents))

    @staticmethod
    def _need_not_write(rows: Rows, ident: str) -> None:
        kept = rows.unwritten.pop(ident, None)
        if kept is not None:
            kept.release()

    # What the kernel asks of its keeper (`core.keeper`).

    def keep(self, account: Account, item: Sent) -> None:
        """Write an unacknowledged message, so that its sender can be told that it is safe."""
        if item.stored_id is None and not account.anonymous and item.stanza.name == "message":
            keep, _ = keeping(item.stanza)
            if keep:
                item.stored_id = item.stanza.stable_id or self._host.ids.new()
                if self._rows.get(account).hold(item.stored_id):
                    message = OfflineMessage(item.stored_id, self._sent_at(item), item.wire)
                    self._append(account, message, item.stanza, item.receipt)
                    item.receipt = None
                # Else another session of the account has it as well, and its row is on the way.
        elif item.stored_id is not None:
            self._write_again(account, item.stored_id)
        if item.receipt is not None:
            item.receipt.release()
            item.receipt = None

    def delivered(self, account: Account, stored_ids: list[str]) -> None:
        """Forget rows whose messages a client has."""
        rows = self._rows.get(account)
        self._remove(account, [ident for ident in stored_ids if rows.forget(ident)])

    def drops(self, stanza: Stanza) -> bool:
        """Tell whether a message to an account that nobody uses now would be dropped without a word."""
        if stanza.to is None:
            return False
        decision = unmatched_fate(stanza.type, stanza.to, anybody=False)
        return decision is Fate.SILENT or (decision is Fate.STORE and not keeping(stanza)[0])

    def reclaim(self, account: Account, stored_ids: list[str]) -> None:
        """Note that a restored session has these rows in its queue."""
        rows = self._rows.get(account)
        for ident in stored_ids:
            rows.hold(ident)
            rows.given.add(ident)  # nobody knows what others have seen

    def unacknowledged(self, session: Session, items: list[Sent]) -> None:
        """Give what a dead session has not acknowledged to those who have not seen it, or keep it (XEP-0198 §5)."""
        for item in items:
            if item.stanza.name == "message":
                self._message_left(session.account, item)
            elif item.stanza.name == "iq":
                wait = self._host.router.reject(item.stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
                if wait is not None:
                    self._host.runtime.spawn(self._host.router.guard(item.stanza, wait), "iq-refusal")
        self._release(items)

    def _message_left(self, account: Account, item: Sent) -> None:
        ident, stanza = item.stored_id, item.stanza
        rows = self._rows.get(account)
        alone = ident in rows.given
        if ident is not None and not rows.let_go(ident):
            return  # a client has it already, or another session will see to it
        if account.deleted or stanza.sender == account.jid:
            if ident is not None:  # a page of the archive: the message that is in it is stored still
                self._need_not_write(rows, ident)
                self._host.soon(lambda: self._begin_with_anybody(account))
            return
        others = account.available
        if not others:
            self.keep(account, item)
            if item.stored_id is not None and ident is None:
                rows.let_go(item.stored_id)
        elif not alone and _was_given_to(others, item):
            if ident is not None:
                self._remove(account, [ident])
        elif keeping(stanza)[0]:
            self._give_instead(others, item)

    def _sent_at(self, item: Sent) -> datetime:
        return self._host.utcnow() - timedelta(seconds=self._host.now() - item.sent_at)

    def _give_instead(self, others: Iterable[Session], item: Sent) -> None:
        """Send to other sessions what one has not acknowledged; the first of them answers for its row."""
        ident, stanza = item.stored_id, item.stanza
        if DELAYED not in stanza.children:  # XEP-0198 §5: with the time when it came
            delay = Delay(self._sent_at(item), self._host.jid).to_element()
            stanza = stanza.annotated(serialize(delay), DELAYED)
        for other in others:
            if ident is not None:
                rows = self._rows.get(other.account)
                rows.hold(ident)
                rows.given.add(ident)
            other.send(stanza, stanza.wire, ident)
            ident = None

    @staticmethod
    def _release(items: Iterable[Sent]) -> None:
        for item in items:
            if item.receipt is not None:
                item.receipt.release()
                item.receipt = None

    # Giving it back.

    def on_presence(self, change: PresenceChange) -> None:
        """A resource of non-negative priority has come: it gets what was stored (RFC 6121 §8.5.2.1.1 and XEP-0160)."""
        if change.session.available_since is not None and change.session.account.offline_count:
            self._begin(change.session)

    def _begin(self, session: Session) -> None:
        """Give a session what is stored, unless it is being given to one already."""
        account = session.account
        rows = self._rows.get(account)
        if rows.backlog is None and account.offline_count > len(rows.holders):
            rows.backlog = Backlog(session)
            self._host.runtime.spawn(self._flush(account, rows), "offline-flush")

    def _begin_with_anybody(self, account: Account) -> None:
        if account.available and not account.deleted:
            self._begin(account.available[0])

    async def _flush(self, account: Account, rows: Rows) -> None:
        try:
            await self._give_all(account, rows)
        finally:
            backlog, rows.backlog = rows.backlog, None
            if backlog is not None:
                self.caught_up.forget(backlog.session)
                backlog.release()

    async def _give_all(self, account: Account, rows: Rows) -> None:
        """Send the stored messages, oldest first; each row goes when the client has its message."""
        after: str | None = None
        while True:
            rows.late = False
            try:
                page = await self._host.storage.offline.load(account.jid, after, PAGE)
            except StorageError as error:
                log.error("offline-not-read", account=str(account.jid), error=str(error))
                return
            for row in page:
                session = await self._reader(account, rows)
                if session is None:
                    return
                after = row.id
                if row.id not in rows.holders and row.id not in rows.gone:
                    rows.hold(row.id)
                    rows.given.add(row.id)
                    if not self._has_read(session, row.id):
                        self._give(session, row)
            if len(page) < PAGE and not rows.late:
                return

    def _has_read(self, session: Session, ident: str) -> bool:
        """Tell whether a client has a message from its archive; then the row goes once that is certain."""
        shown = self.caught_up.find(session, ident)
        if shown is None:
            return False
        item = shown.unacknowledged(session)
        if item is None:
            self.delivered(session.account, [ident])
        else:
            item.stored_id = ident
        return True

    async def _reader(self, account: Account, rows: Rows) -> Session | None:
        """Return who gets the stored messages, once they can take more: another one where they have gone."""
        while rows.backlog is not None:
            session = rows.backlog.session
            if session.available_since is None or session.closed:
                rows.backlog.release()
                rows.backlog = Backlog(account.available[0]) if account.available else None
            elif session.transport is not None and session.transport.buffered > UNREAD_BYTES:
                await self._host.runtime.sleep(UNREAD_PAUSE_S)
            else:
                return session
        return None

    def _ended(self, event: SessionEnd) -> None:
        """What was held back for a session that is over goes where its unacknowledged messages go."""
        rows = self._rows.peek(event.session.account)
        if rows is not None and rows.backlog is not None and rows.backlog.session is event.session:
            items = rows.backlog.take()
            # Not before those of the session itself, which are older.
            self._host.soon(lambda: self.unacknowledged(event.session, items))

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


def _was_given_to(others: Iterable[Session], item: Sent) -> bool:
    """Tell whether a message to the bare JID has gone to one of the others, too (RFC 6121 §8.5.2.1.1)."""
    to = item.stanza.to
    if to is not None and to.is_full:
        return False
    return any(other.available_since is not None and other.available_since <= item.sent_at for other in others)
