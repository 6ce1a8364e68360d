"""One presence stanza to many: local contacts without detours, everybody else through the router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from xmpp_server.core.accounts import Account
from xmpp_server.core.hooks import Wait
from xmpp_server.core.host import Host
from xmpp_server.jid import JID
from xmpp_server.xml.stanza import Stanza

#: Tells whether an account wants no presence to go to, or come from, somebody (a bare or full JID).
Barrier = Callable[[Account, JID], bool]


class Fanout:
    """Copies of presence that differ in `to` alone: the stanza is serialised once, the rest is shared."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._active = host.accounts.active
        #: What the hooks of presence are for everybody else: XEP-0191 puts its block list here.
        self.barriers: list[Barrier] = []

    def tell(self, account: Account, stanza: Stanza, contacts: Iterable[JID]) -> list[Awaitable[None]]:
        """Send a session's presence to contacts (bare JIDs, or full ones which presence was directed to).

        A local contact who is not there costs a look-up: nothing is loaded for presence that nobody reads.
        """
        domain = self._host.name
        active = self._active
        barriers = self.barriers
        waits: list[Awaitable[None]] = []
        for contact in contacts:
            if barriers and any(barrier(account, contact) for barrier in barriers):
                continue
            if contact.domainpart != domain or contact.localpart is None:
                waits += self.route(addressed(stanza, contact))
                continue
            target = active.get(contact.localpart)
            if target is None:
                continue
            sender = stanza.sender
            if barriers and sender is not None and any(barrier(target, sender) for barrier in barriers):
                continue
            wire = stanza.readdressed(contact)
            resource = contact.resourcepart
            for session in tuple(target.sessions.values()):
                if session.presence is not None if resource is None else session.jid.resourcepart == resource:
                    session.send(stanza, wire)
        return waits

    def is_kept_apart(self, account: Account, other: JID) -> bool:
        """Tell whether an account wants to have nothing to do with somebody."""
        return any(barrier(account, other) for barrier in self.barriers)

    def route(self, stanza: Stanza) -> list[Awaitable[None]]:
        """Route a stanza, and return what there is to wait for: nothing, or one thing."""
        wait = self._host.router.route(stanza)
        return [] if wait is None else [self._host.router.guard(stanza, wait)]

    def later(self, waits: list[Awaitable[None]]) -> None:
        """Let waits go their way where nobody can be made to wait for them."""
        if waits:
            self._host.runtime.spawn(every(waits), "presence")


def joined(waits: list[Awaitable[None]]) -> Wait:
    """Make one of many."""
    return every(waits) if waits else None


async def every(waits: list[Awaitable[None]]) -> None:
    """Wait for each in turn."""
    for wait in waits:
        await wait


def addressed(stanza: Stanza, to: JID) -> Stanza:
    """Return a copy of a stamped stanza for `to`."""
    return _copy(stanza, stanza.readdressed(to), {**stanza.attrs, "to": str(to)}, to)


def kept(stanza: Stanza) -> Stanza:
    """Return a copy to keep while a session lasts: it has none of the trees and slices made on the way."""
    return _copy(stanza, stanza.wire, stanza.attrs, stanza.to)


def _copy(stanza: Stanza, wire: bytes, attrs: dict[str, str], to: JID | None) -> Stanza:
    copy = Stanza(stanza.name, stanza.ns, attrs, wire, stanza.children, 0, False)
    copy.sender = stanza.sender
    copy.to = to
    copy.wire = wire
    return copy


def between(stanza: Stanza, sender: JID, to: JID) -> Stanza:
    """Return a copy of a subscription stanza with bare addresses (RFC 6121 §3.1.2), extensions included."""
    if stanza.sender == sender and stanza.to == to and stanza.attrs.get("to") == to:
        return stanza
    copy = Stanza.build(stanza.element, sender, to)
    copy.receipt = stanza.receipt
    return copy
