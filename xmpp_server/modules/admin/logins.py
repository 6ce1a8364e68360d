"""When accounts last logged in."""

from __future__ import annotations

from datetime import datetime

from xmpp_server.core.host import Host
from xmpp_server.core.module import AccountLoaded, Slot
from xmpp_server.core.session import Session
from xmpp_server.jid import JID
from xmpp_server.stanzas.delay import format_datetime, parse_datetime

#: The kind of document; it has one, of the key "": an XEP-0082 DateTime.
KIND = "last-login"


class Logins:
    """Writes down the time of a login, unless it is near to one that stands there already."""

    def __init__(self, host: Host, precision_s: float) -> None:
        self._host = host
        self._precision_s = precision_s
        self._last: Slot[datetime | None] = Slot("last-login", lambda: None)
        host.accounts.document_kinds.add(KIND)
        host.hooks.account_loaded.add(self._loaded)
        host.hooks.session_bound.add(self._bound)

    async def last(self, jid: JID) -> datetime | None:
        """Return when an account that exists last logged in, or None if it never has."""
        account = await self._host.accounts.load(jid)
        if account is None:
            return None
        return max((session.bound_at for session in account.sessions.values()), default=self._last.peek(account))

    def _loaded(self, event: AccountLoaded) -> None:
        written = event.documents.get(KIND, {}).get("")
        if written is not None:
            self._last.set(event.account, parse_datetime(written.decode()))

    def _bound(self, session: Session) -> None:
        account, now = session.account, session.bound_at
        last = self._last.peek(account)
        self._last.set(account, now)
        if account.anonymous or (last is not None and (now - last).total_seconds() < self._precision_s):
            return
        self._host.storage.documents.put(account.jid, KIND, "", format_datetime(now).encode())
