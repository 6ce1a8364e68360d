"""RFC 6121 §2.1.6, §2.6: what resources are told of changes, at once or when they come back with a version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import Slot
from xmpp_server.core.session import Session
from xmpp_server.im.roster_history import RosterHistory
from xmpp_server.im.roster_items import is_listed, item_element, query_element, removed_element
from xmpp_server.im.shared_groups import SharedGroups
from xmpp_server.jid import JID
from xmpp_server.stanzas import iq as iqs
from xmpp_server.xml.element import Element
from xmpp_server.xml.stanza import Stanza

#: A push takes about as many bytes as so many items of a roster.
COST: Final = 2
#: A version has no more digits.
DIGITS: Final = 19


class RosterPushes:
    """Knows who has asked for a roster, and what changed lately."""

    def __init__(self, host: Host, groups: SharedGroups) -> None:
        self._host = host
        self._groups = groups
        self._interested: Slot[bool] = Slot("roster-interested", bool)
        #: What goes out behind the answer to a request, and what comes up until then: in order of the versions.
        self._held: Slot[list[Stanza]] = Slot("roster-held", list)
        self._history: Slot[RosterHistory | None] = Slot("roster-history", lambda: None)

    def is_interested(self, session: Session) -> bool:
        """Tell whether a session has asked for the roster (§2.2)."""
        return self._interested.peek(session) is True

    def begin(self, session: Session) -> None:
        """Tell a session of every change from now on."""
        self._interested.set(session, True)

    def version(self, account: Account) -> str:
        """Return the version of a roster (§2.6)."""
        return self._as_version(account, account.roster_version)

    def _as_version(self, account: Account, number: int) -> str:
        shared = self._groups.version(account.jid)
        return f"{number}-{shared}" if shared else str(number)

    def changed(self, account: Account, contact: JID, since: int) -> None:
        """Tell every interested resource what a contact looks like now; the version before that was `since`."""
        history = self._history.peek(account)
        if history is None:
            history = RosterHistory(since)
            self._history.set(account, history)
        history.note(contact, account.roster_version)
        query = self._query(account, contact, account.roster_version)
        ident = self._host.ids.new()
        for session in tuple(account.sessions.values()):
            if self.is_interested(session):
                push = iqs.request(iqs.IqType.SET, account.jid, session.jid, ident, query)
                held = self._held.peek(session)
                if held is None:
                    session.send_element(push)
                else:
                    held.append(push)

    def _query(self, account: Account, contact: JID, number: int) -> Element:
        item = account.roster.get(contact)
        element = item_element(item) if item is not None and is_listed(item) else removed_element(contact)
        return query_element([element], self._as_version(account, number))

    def catch_up(self, session: Session, known: str, items: int) -> bool:
        """Push what has changed since the version that a client knows, behind the answer that is sent now (§2.6.3).

        Several changes of one contact are one push, in the place of the last.

        Args:
            session: Who has asked.
            known: The version.
            items: How many the whole roster has.

        Returns:
            False if the whole roster is to be sent: it takes less, or there is no knowing what has changed.

        """
        missed = self._missed(session.account, known)
        if missed is None or COST * len(missed) >= items:
            return False
        self._hold(session, missed)
        self._host.soon(lambda: self._release(session))
        return True

    def _missed(self, account: Account, known: str) -> list[tuple[JID, int]] | None:
        history, digits = self._history.peek(account), known.partition("-")[0][:DIGITS]
        if history is None or not (digits.isascii() and digits.isdigit()):
            return None
        number = int(digits)
        if number > account.roster_version or self._as_version(account, number) != known:
            return None
        return history.after(number)

    def _hold(self, session: Session, missed: Iterable[tuple[JID, int]]) -> None:
        account, held = session.account, self._held.get(session)
        for contact, number in missed:
            query, ident = self._query(account, contact, number), self._host.ids.new()
            held.append(iqs.request(iqs.IqType.SET, account.jid, session.jid, ident, query))

    def _release(self, session: Session) -> None:
        held = self._held.peek(session) or []
        self._held.discard(session)
        for push in held:
            session.send_element(push)
