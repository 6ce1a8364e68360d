"""RFC 6121 §3: subscription stanzas: the tables of `im.subscriptions` put to work on rosters and streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.fanout import Fanout, addressed, between, every
from xmpp_server.im.roster import Roster, RosterChange
from xmpp_server.im.roster_items import is_listed
from xmpp_server.im.subscriptions import (
    SUBSCRIBE,
    SUBSCRIBED,
    UNLISTED,
    UNSUBSCRIBE,
    UNSUBSCRIBED,
    State,
    Step,
    applied,
    inbound,
    outbound,
)
from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.storage.api import RosterItem
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

#: A request that is longer is kept without its extensions (§3.1.3 asks for the complete stanza).
REQUEST_BYTES: Final = 10_000
#: Requests of people who are not in the roster; more of them are dropped.
REQUESTS: Final = 200

log = structlog.get_logger()


class Subscribing:
    """Takes the subscription stanzas that accounts send and get."""

    def __init__(self, host: Host, roster: Roster, fanout: Fanout) -> None:
        self._host = host
        self._roster = roster
        self._fanout = fanout

    async def send(self, account: Account, stanza: Stanza, kind: PresenceType) -> None:
        """Take a subscription stanza that a user sends (§3.1.2, §3.1.5, §3.2.2, §3.3.2, §3.4.2).

        Raises:
            StanzaError: The contact is in a shared group, or the roster is full.

        """
        assert stanza.to is not None  # noqa: S101 - its caller has looked
        contact = stanza.to.bare
        if contact == account.jid:  # §2.1.3.3: everybody sees themselves
            return
        if self._roster.is_shared(account, contact):
            if kind in (UNSUBSCRIBE, UNSUBSCRIBED):
                raise StanzaError(Condition.NOT_ALLOWED, "This contact is in a group of the server's")
            return
        step = Step(False, State.NONE, False)

        def decide(item: RosterItem | None) -> RosterItem | None:
            nonlocal step
            step = outbound(State.of(item), item is not None and item.approved, kind)
            new = applied(item, contact, step)
            if is_listed(new) and not is_listed(item):
                self._roster.make_room(account)
            return new

        change = await self._roster.change(account, contact, decide)
        await every(self._withdraw_if_lost(change, contact))
        if step.passes:
            await every(self._fanout.route(between(stanza, account.jid, contact)))
        await every(self._reveal_if_gained(change, contact))

    async def receive(self, account: Account, stanza: Stanza, kind: PresenceType) -> None:
        """Take a subscription stanza that somebody sends to an account (§3.1.3, §3.1.6, §3.2.3, §3.3.3)."""
        assert stanza.sender is not None  # noqa: S101 - stamped
        contact = stanza.sender.bare
        if contact == account.jid:
            return
        if self._roster.is_shared(account, contact):
            if kind is SUBSCRIBE:
                await self._grant(account, contact, stanza.id)
            return
        delivered = between(stanza, contact, account.jid)
        request = _request(delivered) if kind is SUBSCRIBE else None
        step = Step(False, State.NONE, False)

        def decide(item: RosterItem | None) -> RosterItem | None:
            nonlocal step
            step = inbound(State.of(item), item is not None and item.approved, kind)
            if item is None and step.state.pending_in and self._has_too_many_requests(account):
                log.warning("request-dropped", account=str(account.jid))
                step = Step(False, State.NONE, False)
            return applied(item, contact, step, request)

        def deliver() -> None:
            if step.passes:
                wanted = _is_available if kind is SUBSCRIBE else self._roster.is_interested
                _give(account, delivered, wanted)

        change = await self._roster.change(account, contact, decide, deliver)
        await every(self._withdraw_if_lost(change, contact))
        if step.answer is not None:
            await self._grant(account, contact, stanza.id)

    def remind(self, session: Session) -> None:
        """Deliver the requests that wait for an answer (§3.1.3) to a session that has become available."""
        for item in session.account.roster.values():
            if item.pending_in:
                try:
                    stanza = Stanza.build(parse(item.pending_in), item.jid, session.account.jid)
                except ValueError:
                    log.error("request-unreadable", account=str(session.account.jid), contact=str(item.jid))
                else:
                    session.send_element(stanza)

    def removed(self, change: RosterChange) -> None:
        """Undo the subscriptions with a contact that the user has removed (§2.5.2)."""
        old = change.old
        assert old is not None  # noqa: S101 - it was removed
        account, contact, state = change.account, old.jid, State.of(old)
        waits = self._withdraw_if_lost(change, contact)
        if state.sees or state.pending_out:
            waits += self._fanout.route(presence.build(account.jid, contact, UNSUBSCRIBE, id=self._host.ids.new()))
        if state.seen or state.pending_in:
            waits += self._fanout.route(presence.build(account.jid, contact, UNSUBSCRIBED, id=self._host.ids.new()))
        self._fanout.later(waits)

    async def _grant(self, account: Account, contact: JID, ident: str | None) -> None:
        """Answer a request on the user's behalf (§3.1.3), and show the presence that goes with it."""
        await every(self._fanout.route(presence.build(account.jid, contact, SUBSCRIBED, id=ident)))
        await every(self.reveal(account, contact))

    def _has_too_many_requests(self, account: Account) -> bool:
        return sum(item.subscription == UNLISTED for item in account.roster.values()) >= REQUESTS

    # Presence that comes and goes with a subscription.

    def _withdraw_if_lost(self, change: RosterChange, contact: JID) -> list[Awaitable[None]]:
        """While the contact is still subscribed as they know it, tell them that the user is gone (§3.2.2, §3.3.3)."""
        if State.of(change.old).seen and not State.of(change.new).seen:
            return self.withdraw(change.account, contact)
        return []

    def _reveal_if_gained(self, change: RosterChange, contact: JID) -> list[Awaitable[None]]:
        if State.of(change.new).seen and not State.of(change.old).seen:
            return self.reveal(change.account, contact)
        return []

    def reveal(self, account: Account, contact: JID) -> list[Awaitable[None]]:
        """Send a contact the presence of all available resources (§3.1.5)."""
        waits: list[Awaitable[None]] = []
        for session in tuple(account.sessions.values()):
            if session.presence is not None and not self._fanout.is_kept_apart(account, contact):
                waits += self._fanout.route(addressed(session.presence, contact))
        return waits

    def withdraw(self, account: Account, contact: JID) -> list[Awaitable[None]]:
        """Send a contact unavailable presence of all available resources (§3.2.2)."""
        waits: list[Awaitable[None]] = []
        for session in tuple(account.sessions.values()):
            if session.presence is not None:
                waits += self._fanout.route(presence.build(session.jid, contact, PresenceType.UNAVAILABLE))
        return waits


def _is_available(session: Session) -> bool:
    return session.presence is not None


def _give(account: Account, stanza: Stanza, wanted: Callable[[Session], bool]) -> None:
    for session in tuple(account.sessions.values()):
        if wanted(session):
            session.send(stanza, stanza.wire)


def _request(stanza: Stanza) -> bytes:
    """Return what to keep of a request until it is answered."""
    if len(stanza.wire) <= REQUEST_BYTES:
        return stanza.wire
    bare = Element("presence", CLIENT, {"type": SUBSCRIBE.value})
    return Stanza.build(bare, stanza.sender, stanza.to).wire
