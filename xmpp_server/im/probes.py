"""RFC 6121 §4.3: presence probes, and what a session learns when it becomes available."""

from __future__ import annotations

from collections.abc import Awaitable

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.session import Session
from xmpp_server.im.fanout import Fanout, addressed
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.stanza import Stanza


class Probes:
    """Asks for the presence of contacts, and answers those who ask."""

    def __init__(self, host: Host, roster: Roster, fanout: Fanout) -> None:
        self._host = host
        self._roster = roster
        self._fanout = fanout

    def introduce(self, session: Session) -> list[Awaitable[None]]:
        """Give a newly available session the presence of its contacts and of the account's other resources.

        A local contact is not probed but looked at. Of one who is not there nothing is said, as §4.3.2 permits.
        """
        account = session.account
        for other in account.sessions.values():
            if other is not session and other.presence is not None:
                session.send(other.presence, other.presence.readdressed(account.jid))
        waits: list[Awaitable[None]] = []
        for contact in self._roster.audience(account).subscriptions:
            if self._fanout.is_kept_apart(account, contact):
                continue
            if contact.domainpart != self._host.name or contact.localpart is None:
                waits += self._probe(account, contact)
                continue
            target = self._host.accounts.active.get(contact.localpart)
            if target is not None:
                waits += self._look_at(session, target)
        return waits

    def _look_at(self, session: Session, target: Account) -> list[Awaitable[None]]:
        account = session.account
        if not self._roster.may_see(target, account.jid):
            return self._probe(account, target.jid)  # its answer brings the two rosters to agree again
        if not self._fanout.is_kept_apart(target, session.jid):
            for other in target.sessions.values():
                if other.presence is not None:
                    session.send(other.presence, other.presence.readdressed(account.jid))
        return []

    def _probe(self, account: Account, contact: JID) -> list[Awaitable[None]]:
        """§4.3.1: from the bare JID, as subscriptions are."""
        return self._fanout.route(presence.build(account.jid, contact, PresenceType.PROBE, id=self._host.ids.new()))

    def answer(self, account: Account, probe: Stanza) -> list[Awaitable[None]]:
        """§4.3.2: tell a subscriber the presence of all available resources; tell others that they are none."""
        asker = probe.sender
        assert asker is not None  # noqa: S101 - stamped
        if not self._roster.may_see(account, asker.bare):
            refusal = presence.build(account.jid, asker.bare, PresenceType.UNSUBSCRIBED, id=probe.id)
            return self._fanout.route(refusal)
        current = [session.presence for session in account.sessions.values() if session.presence is not None]
        if not current:
            return self._fanout.route(presence.build(account.jid, asker, PresenceType.UNAVAILABLE, id=probe.id))
        waits: list[Awaitable[None]] = []
        for stanza in current:
            waits += self._fanout.route(addressed(stanza, asker))
        return waits
