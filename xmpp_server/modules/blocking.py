"""XEP-0191: Blocking Command, with the reports of XEP-0377."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec
import structlog

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import (
    AccountLoaded,
    Inbound,
    IqRequest,
    IqType,
    Module,
    Order,
    Outbound,
    SessionState,
    Slot,
    To,
    Verdict,
    Xep,
)
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.im.delivery import CHAT, NORMAL, message_type
from xmpp_server.im.presence import Presence
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.storage.api import Commit, StorageError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import BLOCKING, BLOCKING_ERRORS
from xmpp_server.xml.writer import serialize

REPORTING = "urn:xmpp:reporting:1"
#: Kinds of an account's documents. The keys of both are blocked JIDs; a block is an empty document.
KIND = "blocking"
REPORTS = "reports"
REASON_CHARS = 100

log = structlog.get_logger()


class BlockingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`items` an account may block; reports (XEP-0377) past `reports` or `report_bytes` are logged, but not kept."""

    items: int = 1000
    reports: int = 50
    report_bytes: int = 16_384


class Report(msgspec.Struct, frozen=True):
    """A report as it is kept: when it came (XEP-0082), and its XML."""

    stamp: str
    report: str


class BlockList:
    """Whom an account has blocked, in the order in which it was done."""

    __slots__ = ("jids",)

    def __init__(self, jids: Iterable[JID]) -> None:
        self.jids: dict[str, JID] = {str(jid): jid for jid in jids}

    def blocks(self, jid: JID) -> bool:
        """Match as §5 has it: a full JID, a bare one, a domain's resource, a domain."""
        jids = self.jids
        if jid in jids or jid.bare in jids or jid.domainpart in jids:
            return True
        return jid.resourcepart is not None and f"{jid.domainpart}/{jid.resourcepart}" in jids


class Blocking(Module):
    """Keeps the block lists, and keeps the blocked away. An account without a list costs one look-up a stanza."""

    name = "blocking"
    xeps = (Xep(191, "1.3"), Xep(377, "0.4.1", "reports are logged and kept, not forwarded"))
    features = (BLOCKING, REPORTING)
    needs = (Presence,)
    Config = BlockingConfig
    config: BlockingConfig

    def register(self, host: Host) -> None:
        """Take the commands, and stand before everything else in both directions."""
        self._host = host
        self._presence = host.module(Presence)
        self._lists: Slot[BlockList | None] = Slot("block-list", lambda: None)
        self._interested: Slot[bool] = Slot("block-list-interested", bool)
        host.accounts.document_kinds.add(KIND)
        host.on_iq(IqType.GET, To.ACCOUNT, f"{BLOCKING} blocklist", self.get)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{BLOCKING} block", self.block)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{BLOCKING} unblock", self.unblock)
        hooks = host.hooks
        hooks.account_loaded.add(self._loaded)
        hooks.session_saved.add(self._save)
        hooks.session_restored.add(self._restore)
        for outbound in (hooks.message_out, hooks.presence_out, hooks.iq_out):
            outbound.add(self._outbound, Order.POLICY)
        hooks.message_in.add(self._message_in, Order.POLICY)
        hooks.presence_in.add(self._presence_in, Order.POLICY)
        hooks.iq_in.add(self._iq_in, Order.POLICY)
        self._presence.barriers.append(self.is_blocked)

    # For other modules.

    def is_blocked(self, account: Account, other: JID) -> bool:
        """Tell whether an account has blocked somebody; nobody blocks themselves (§4, footnote)."""
        blocked = self._lists.peek(account)
        return blocked is not None and blocked.blocks(other) and other.bare != account.jid

    # The commands.

    def get(self, request: IqRequest) -> Element:
        """Return the list, and remember that the session wants to hear of changes (§3.2)."""
        if request.session is not None:
            self._interested.set(request.session, True)
        return _command("blocklist", self._jids(request.own).values())

    async def block(self, request: IqRequest) -> None:
        """Block (§3.3), and keep what is reported (XEP-0377 §6).

        Raises:
            StorageError: Not all could be written; those that were are blocked, and clients are told of them.

        """
        account = request.own
        items = {_address(item): item for item in request.payload.findall("item", BLOCKING)}
        if not items:
            raise StanzaError(Condition.BAD_REQUEST, "Whom to block?")
        new = [jid for jid in items if jid not in self._jids(account)]
        if len(self._jids(account)) + len(new) > self.config.items:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"An account blocks at most {self.config.items} addresses")
        documents = self._host.storage.documents
        failed = _Failed()
        if not account.anonymous:
            failed = await _done({jid: documents.put(account.jid, KIND, jid, b"") for jid in new})
            new = [jid for jid in new if jid not in failed]
        watchers = self._watchers(account, new)
        for watcher in watchers:
            self._presence.withdraw(account, watcher)
        covered = BlockList(new)
        self._presence.withdraw_directed(account, lambda jid: covered.blocks(jid) and jid.bare != account.jid, watchers)
        self._set(account, [*self._jids(account).values(), *new])
        blocked = {jid: item for jid, item in items.items() if jid not in failed}
        if blocked:
            self._push(account, _command("block", blocked))
        await self._report(account, blocked)
        failed.tell()

    async def unblock(self, request: IqRequest) -> None:
        """Unblock some, or all (§3.4, §3.5).

        Raises:
            StorageError: Not all could be written; those that were are unblocked, and clients are told of them.

        """
        account = request.own
        asked = [_address(item) for item in request.payload.findall("item", BLOCKING)]
        gone = [jid for jid in asked or self._jids(account).values() if jid in self._jids(account)]
        documents = self._host.storage.documents
        failed = _Failed()
        if not account.anonymous:
            failed = await _done({jid: documents.remove(account.jid, KIND, jid) for jid in gone})
        if failed:
            asked = gone = [jid for jid in gone if jid not in failed]
        self._set(account, [jid for jid in self._jids(account).values() if jid not in gone])
        for watcher in {watcher.bare for watcher in self._watchers(account, gone)}:
            self._presence.reveal(account, watcher)
        self._look_again(account, gone)
        if gone or not failed:  # an empty list would say that nobody is blocked any more
            self._push(account, _command("unblock", asked))
        failed.tell()

    def _push(self, account: Account, command: Element) -> None:
        """Tell the sessions that have asked for the list (§3.3)."""
        for session in tuple(account.sessions.values()):
            if self._interested.peek(session):
                push = iqs.request(IqType.SET, account.jid, session.jid, self._host.ids.new(), command)
                session.send_element(push)

    async def _report(self, account: Account, items: Mapping[JID, Element]) -> None:
        """Keep what the user has to say about the blocked; a report that is none changes nothing (XEP-0377 §6)."""
        reports = {jid: report for jid, item in items.items() if (report := item.find("report", REPORTING)) is not None}
        if not reports:
            return
        documents = self._host.storage.documents
        kept = set(await documents.all(account.jid, REPORTS))
        for jid, report in reports.items():
            reason = report.get("reason")
            if not reason:
                continue
            log.warning("reported", by=str(account.jid), jid=str(jid), reason=reason[:REASON_CHARS])
            data = msgspec.json.encode(Report(format_datetime(self._host.utcnow()), serialize(report).decode()))
            room = jid in kept or len(kept) < self.config.reports
            if room and len(data) <= self.config.report_bytes and not account.anonymous:
                kept.add(jid)
                documents.put(account.jid, REPORTS, jid, data)

    # Presence that ends and begins.

    def _watchers(self, account: Account, jids: Collection[JID]) -> list[JID]:
        """Return which of `jids`, and of the contacts that they cover, may see the account's presence."""
        changed = BlockList(jids)
        watchers = {item.jid for item in account.roster.values() if changed.blocks(item.jid)}
        watchers.update(jid for jid in jids if jid.is_full)
        return sorted(jid for jid in watchers if self._may_see(account, jid))

    @staticmethod
    def _may_see(account: Account, jid: JID) -> bool:
        item = account.roster.get(jid.bare)
        return item is not None and item.subscription in ("from", "both")

    def _look_again(self, account: Account, jids: Collection[JID]) -> None:
        """Ask for the presence that was held off while its senders were blocked."""
        changed = BlockList(jids)
        for item in account.roster.values():
            if item.subscription in ("to", "both") and changed.blocks(item.jid):
                probe = presence.build(account.jid, item.jid, PresenceType.PROBE, id=self._host.ids.new())
                wait = self._host.router.route(probe)
                if wait is not None:
                    self._host.runtime.spawn(self._host.router.guard(probe, wait), "unblocked")

    # The barrier.

    def _outbound(self, event: Outbound) -> Verdict:
        """Refuse what goes to the blocked (§3.3)."""
        to = event.stanza.to
        if to is not None and self.is_blocked(event.session.account, to):
            raise StanzaError(
                Condition.NOT_ACCEPTABLE,
                "You have blocked this address",
                type=ErrorType.CANCEL,
                app=("blocked", BLOCKING_ERRORS),
            )
        return False

    def _message_in(self, event: Inbound) -> Verdict:
        """Look offline (§3.3). An error would make a room throw the user out, and answers no headline."""
        if not self._is_from_blocked(event):
            return False
        if message_type(event.stanza.type) in (NORMAL, CHAT):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return True

    def _presence_in(self, event: Inbound) -> Verdict:
        """Neither deliver nor answer (§3.3)."""
        return self._is_from_blocked(event)

    def _iq_in(self, event: Inbound) -> Verdict:
        """Refuse requests; results and errors are never answered, hence dropped (§3.3)."""
        if self._is_from_blocked(event):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return False

    def _is_from_blocked(self, event: Inbound) -> bool:
        sender = event.stanza.sender
        return sender is not None and self.is_blocked(event.account, sender)

    # Keeping it.

    def _jids(self, account: Account) -> dict[str, JID]:
        blocked = self._lists.peek(account)
        return {} if blocked is None else blocked.jids

    def _set(self, account: Account, jids: Collection[JID]) -> None:
        if jids:
            self._lists.set(account, BlockList(jids))
        else:
            self._lists.discard(account)

    def _loaded(self, event: AccountLoaded) -> None:
        stored = event.documents.get(KIND)
        if stored:
            self._lists.set(event.account, BlockList(JID.parse(key) for key in stored))

    def _save(self, state: SessionState) -> None:
        if self._interested.peek(state.session):
            state.data[self.name] = b""

    def _restore(self, state: SessionState) -> None:
        if self.name in state.data:
            self._interested.set(state.session, True)


class _Failed(dict[JID, StorageError]):
    """What could not be written, and why."""

    def tell(self) -> None:
        """Raise the first error, if there is one."""
        for error in self.values():
            raise error


async def _done(commits: Mapping[JID, Commit]) -> _Failed:
    """Wait for all writes, whichever fail: what is in force is what is stored."""
    failed = _Failed()
    for jid, commit in commits.items():
        try:
            await commit
        except StorageError as error:
            failed[jid] = error
    return failed


def _command(name: str, jids: Iterable[JID]) -> Element:
    command = Element(name, BLOCKING)
    for jid in jids:
        command.add("item", jid=str(jid))
    return command


def _address(item: Element) -> JID:
    text = item.get("jid")
    if text is None:
        raise StanzaError(Condition.BAD_REQUEST, "An item needs an address")
    try:
        return JID.parse(text)
    except JIDMalformed:
        raise StanzaError(Condition.JID_MALFORMED, "An item's address is malformed") from None
