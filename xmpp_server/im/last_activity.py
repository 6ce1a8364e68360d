"""XEP-0012: Last Activity: since when an account is offline, and how long the server has been up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import (
    Access,
    AccountLoaded,
    Inbound,
    IqRequest,
    IqType,
    Module,
    Order,
    Outbound,
    PresenceChange,
    Slot,
    To,
    Xep,
)
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.roster import Roster
from xmpp_server.stanzas.delay import format_datetime, parse_datetime
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, LAST

QUERY: Final = f"{LAST} query"
DOCUMENT: Final = "last-activity"
STATUS_CHARS: Final = 1000
#: Stamps are written without their fraction.
SECOND: Final = timedelta(seconds=1)


class _Last:
    """When the last resource went, and what it said."""

    __slots__ = ("stamp", "status")

    def __init__(self, stamp: datetime | None = None, status: str = "") -> None:
        self.stamp = stamp
        self.status = status


class LastActivity(Module):
    """Answers who may see an account's presence."""

    name = "last_activity"
    xeps = (Xep(12, "2.0", "a stranger who asks a full JID is told that nobody is there, not that it is forbidden"),)
    features = (LAST,)
    account_features = (LAST,)
    needs = (Roster,)

    def register(self, host: Host) -> None:
        """Answer, and note when accounts go offline."""
        self._host = host
        self._roster = host.module(Roster)
        self._started = host.now()
        self._last: Slot[_Last] = Slot("last-activity", _Last)
        self._status: Slot[str] = Slot("last-status", str)
        host.accounts.document_kinds.add(DOCUMENT)
        host.on_iq(IqType.GET, To.SERVER, QUERY, self._server)
        host.on_iq(IqType.GET, To.ACCOUNT, QUERY, self._account, Access.ANYONE)
        host.hooks.iq_in.add(self._resource, Order.POLICY)
        host.hooks.account_loaded.add(self._loaded)
        host.hooks.presence_out.add(self._leaving, Order.ARCHIVE)
        host.hooks.presence_changed.add(self._left)

    def _server(self, request: IqRequest) -> Element:
        """§5: the uptime."""
        return Element("query", LAST, {"seconds": str(int(self._host.now() - self._started))})

    def _account(self, request: IqRequest) -> Element:
        """§3: how long ago the last resource went; 0 while one is available. One that hides is not there."""
        account = request.account
        if account is None or not self._roster.may_see(account, request.sender.bare):
            raise StanzaError(Condition.FORBIDDEN)  # the same for an account that does not exist
        if any(session.presence is not None for session in account.sessions.values()):
            return Element("query", LAST, {"seconds": "0"})
        last = self._last.get(account)
        stamp = last.stamp or (account.record.created if account.record is not None else self._host.utcnow())
        seconds = max(0, (self._host.utcnow() - stamp) // SECOND)
        return Element("query", LAST, {"seconds": str(seconds)}, last.status)

    def _resource(self, event: Inbound) -> bool:
        """§4: a resource is asked by those alone who may see it; to others it is not there."""
        stanza = event.stanza
        if event.to.is_bare or stanza.type != "get" or stanza.children != (QUERY,):
            return False
        if stanza.sender is not None and not self._roster.may_see(event.account, stanza.sender.bare):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return False

    def _leaving(self, event: Outbound) -> bool:
        """Note the status of unavailable presence."""
        stanza = event.stanza
        if stanza.type == "unavailable" and stanza.to is None:
            status = stanza.element.find("status", CLIENT)
            self._status.set(event.session, status.text[:STATUS_CHARS] if status is not None else "")
        return False

    def _left(self, change: PresenceChange) -> None:
        """Write down that the account's last available resource has gone."""
        account = change.session.account
        if change.new is not None:
            self._status.discard(change.session)
            return
        if any(session.presence is not None for session in account.sessions.values()):
            return
        last = _Last(self._host.utcnow().replace(microsecond=0), self._status.peek(change.session) or "")
        self._last.set(account, last)
        self._store(account, last)

    def _store(self, account: Account, last: _Last) -> None:
        if account.anonymous or account.deleted or last.stamp is None:
            return
        data = f"{format_datetime(last.stamp)}\n{last.status}".encode()
        self._host.storage.documents.put(account.jid, DOCUMENT, "", data)

    def _loaded(self, event: AccountLoaded) -> None:
        data = event.documents.get(DOCUMENT, {}).get("")
        if data is None:
            return
        stamp, _, status = data.decode(errors="replace").partition("\n")
        try:
            self._last.set(event.account, _Last(parse_datetime(stamp), status))
        except ValueError:
            return  # a document that cannot be read is as none
