"""RFC 6121 §4: presence: broadcast, directed, probed; subscriptions (§3) are handed on to `im.subscribing`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import msgspec

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import (
    Inbound,
    Module,
    Order,
    Outbound,
    PresenceChange,
    SessionEnd,
    SessionState,
    Slot,
    Verdict,
)
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.directed import Directed
from xmpp_server.im.fanout import Barrier, Fanout, joined, kept
from xmpp_server.im.probes import Probes
from xmpp_server.im.roster import Roster
from xmpp_server.im.subscribing import Subscribing
from xmpp_server.jid import JID
from xmpp_server.stanzas.presence import SUBSCRIPTION_TYPES, PresenceType, build, presence_type, priority
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

AVAILABLE = PresenceType.AVAILABLE
UNAVAILABLE = PresenceType.UNAVAILABLE
SUBSCRIBE = PresenceType.SUBSCRIBE
SUBSCRIBED = PresenceType.SUBSCRIBED
#: So many copies of its presence a session sends before all others have had a turn (XEP-0205 §4.8).
COPIES_A_TURN = 250


class PresenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[modules.presence]`: `directed_limit` is to how many addresses a session may direct presence."""

    directed_limit: int = 10_000


class Presence(Module):
    """Tells who is there to those who may know."""

    name = "presence"
    needs = (Roster,)
    Config = PresenceConfig
    config: PresenceConfig

    def register(self, host: Host) -> None:
        """Take all presence that no policy has stopped."""
        self._host = host
        self._roster = host.module(Roster)
        self._fanout = Fanout(host)
        self._directed = Directed(self.config.directed_limit)
        #: How many copies a session has sent in its turn.
        self._copies: Slot[int] = Slot("presence-copies", int)
        self._probes = Probes(host, self._roster, self._fanout)
        self._subscribing = Subscribing(host, self._roster, self._fanout)
        host.hooks.presence_out.add(self._outbound, Order.DELIVER)
        host.hooks.presence_in.add(self._inbound, Order.DELIVER)
        host.hooks.session_ended.add(self._ended)
        host.hooks.session_saved.add(self._save)
        host.hooks.session_restored.add(self._restore)
        self._roster.removed.add(self._subscribing.removed)

    # For other modules.

    @property
    def barriers(self) -> list[Barrier]:
        """Who is kept apart from whom; presence between local accounts passes these instead of the hooks."""
        return self._fanout.barriers

    def withdraw(self, account: Account, contact: JID) -> None:
        """Make an account look offline to a contact, as when it begins to block them (XEP-0191 §3.3)."""
        self._fanout.later(self._subscribing.withdraw(account, contact))

    def withdraw_directed(self, account: Account, covers: Callable[[JID], bool], told: Collection[JID]) -> None:
        """End the presence that sessions have directed to whom `covers`, but for those `told` by `withdraw`."""
        for session in tuple(account.sessions.values()):
            for recipient in self._directed.of(session):
                if covers(recipient):
                    self._directed.forget(session, recipient)
                    if session.presence is None or (recipient not in told and recipient.bare not in told):
                        self._fanout.later(self._fanout.route(build(session.jid, recipient, UNAVAILABLE)))

    def reveal(self, account: Account, contact: JID) -> None:
        """Send a contact, if subscribed, the account's presence: they are no longer blocked (XEP-0191 §3.4)."""
        if self._roster.may_see(account, contact):
            self._fanout.later(self._subscribing.reveal(account, contact))

    async def receive_request(self, account: Account, request: Stanza) -> None:
        """Take a subscription request as any other (RFC 6121 §3.1.3): a module has looked at it first."""
        await self._subscribing.receive(account, request, SUBSCRIBE)

    async def befriend(self, account: Account, request: Stanza) -> None:
        """Approve a request that an account has asked for beforehand, and ask in return (XEP-0379 §3.5).

        Raises:
            StanzaError: The roster is full, or cannot be stored; the request is as good as not delivered then.

        """
        assert request.sender is not None  # noqa: S101 - stamped
        contact = request.sender.bare
        for kind in (SUBSCRIBED, SUBSCRIBE):  # the first one approves what is still to come (RFC 6121 §3.4)
            stanza = build(account.jid, contact, kind, id=self._host.ids.new())
            await self._subscribing.send(account, stanza, kind)
            if kind is SUBSCRIBED:
                await self._subscribing.receive(account, request, SUBSCRIBE)

    # What local sessions send.

    def _outbound(self, event: Outbound) -> Verdict:
        stanza, session = event.stanza, event.session
        kind = presence_type(stanza)
        to = stanza.to
        if to is None:
            if kind in (AVAILABLE, UNAVAILABLE):
                broadcast = self._available if kind is AVAILABLE else self._unavailable
                return joined([*broadcast(session, stanza), *self._breather(session)]) or True
            if kind is PresenceType.ERROR:
                return True
            raise StanzaError(Condition.BAD_REQUEST, "This presence needs an address")
        if kind in SUBSCRIPTION_TYPES:
            return self._subscribing.send(session.account, stanza, kind)
        if kind in (AVAILABLE, UNAVAILABLE):
            self._directed.note(session, stanza, to)
        return False

    def _breather(self, session: Session) -> list[Awaitable[None]]:
        """Let a client whose presence went to many wait until others have had a turn."""
        audience = self._roster.audience(session.account)
        copies = self._copies.get(session) + len(audience.subscribers) + len(audience.subscriptions)
        if copies < COPIES_A_TURN:
            self._copies.set(session, copies)
            return []
        self._copies.set(session, 0)
        return [self._host.runtime.sleep(0)]

    def _available(self, session: Session, stanza: Stanza) -> list[Awaitable[None]]:
        """§4.2.2, §4.4.2: initial presence, or an update."""
        old = session.presence
        session.set_presence(kept(stanza), priority(stanza))
        account = session.account
        waits = self._fanout.tell(account, stanza, self._roster.audience(account).subscribers)
        self._tell_own(account, stanza)
        if old is None:
            waits += self._probes.introduce(session)
            self._subscribing.remind(session)
        self._host.hooks.presence_changed.fire(PresenceChange(session, old, stanza))
        return waits

    def _unavailable(self, session: Session, stanza: Stanza) -> list[Awaitable[None]]:
        """§4.5.2: to subscribers if they know of this resource, and to everybody whom presence was directed to."""
        old = session.presence
        account = session.account
        directed = self._directed.take(session)
        if old is None:
            return self._fanout.tell(account, stanza, directed)
        session.set_presence(None)
        subscribers = self._roster.audience(account).subscribers
        told = set(subscribers)
        told.add(account.jid)
        waits = self._fanout.tell(account, stanza, subscribers)
        waits += self._fanout.tell(account, stanza, [jid for jid in directed if jid.bare not in told])
        self._tell_own(account, stanza)
        self._host.hooks.presence_changed.fire(PresenceChange(session, old, None))
        return waits

    def _tell_own(self, account: Account, stanza: Stanza) -> None:
        """§4.2.2: everybody is subscribed to themselves."""
        wire = stanza.readdressed(account.jid)
        for session in tuple(account.sessions.values()):
            if session.presence is not None:
                session.send(stanza, wire)

    def _ended(self, event: SessionEnd) -> None:
        """§4.5.2: the server says it for a client that did not."""
        session = event.session
        element = Element("presence", CLIENT, {"type": UNAVAILABLE.value})
        if event.text:
            element.add("status", text=event.text)
        self._fanout.later(self._unavailable(session, Stanza.build(element, session.jid, None)))

    def _save(self, event: SessionState) -> None:
        recipients = self._directed.of(event.session)
        if recipients:
            event.data[self.name] = "\n".join(recipients).encode()

    def _restore(self, event: SessionState) -> None:
        for recipient in event.data.get(self.name, b"").decode().splitlines():
            self._directed.add(event.session, JID.parse(recipient))

    # What local accounts get.

    def _inbound(self, event: Inbound) -> Verdict:
        stanza, account = event.stanza, event.account
        kind = presence_type(stanza)
        if kind in SUBSCRIPTION_TYPES:
            return self._subscribing.receive(account, stanza, kind)
        if kind is PresenceType.PROBE:
            return joined(self._probes.answer(account, stanza)) or True
        resource = event.to.resourcepart
        if resource is None:  # §8.5.2: to all available resources, of negative priority too
            for session in tuple(account.sessions.values()):
                if session.presence is not None:
                    session.send(stanza, stanza.wire)
            return True
        addressee = account.sessions.get(resource)
        if addressee is not None:  # §8.5.3.1; it need not be available, as in a room before initial presence
            if kind is PresenceType.ERROR and stanza.sender is not None:
                self._directed.forget(addressee, stanza.sender)
            addressee.send(stanza, stanza.wire)
        return True
