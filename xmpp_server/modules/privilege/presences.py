"""XEP-0356 §7: components learn the presence of accounts, and of the contacts of accounts."""

from __future__ import annotations

from collections import OrderedDict

from xmpp_server.core.component import Component
from xmpp_server.core.component_line import Line
from xmpp_server.core.host import Host
from xmpp_server.core.module import Inbound, Order, PresenceChange
from xmpp_server.im.fanout import addressed, kept
from xmpp_server.jid import JID
from xmpp_server.modules.privilege.rosters import give
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.stanza import Stanza

#: Contacts elsewhere whose presence is remembered, and the largest presence.
CONTACTS = 10_000
CONTACT_BYTES = 8192


class Presences:
    """Copies presence to components that may know it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        components = host.router.components
        self._all = [component for component in components.all if component.grants.presence]
        self._curious = [component for component in self._all if component.grants.presence == "roster"]
        #: The last presence of contacts elsewhere, by full JID: the same comes for each account that has the contact.
        self._contacts: OrderedDict[JID, Stanza] = OrderedDict()
        if self._all:
            host.hooks.presence_changed.add(self.tell)
            components.connected.add(self.introduce)
        if self._curious:
            host.hooks.presence_in.add(self.overhear, Order.COPY)

    def tell(self, change: PresenceChange) -> None:
        """Initial presence and the end of it, from accounts here (§7.1)."""
        if change.new is not None and change.old is None:
            stanza = change.new
        elif change.new is None and change.old is not None:
            gone = PresenceType.UNAVAILABLE
            stanza = presence.build(change.session.jid, self._host.jid, gone, id=self._host.ids.new())
        else:
            return
        for component in self._all:
            self._give(component, stanza)

    def overhear(self, event: Inbound) -> None:
        """Presence of a contact elsewhere that an account is subscribed to (§7.4); each once (§8)."""
        stanza = event.stanza
        sender = stanza.sender
        if sender is None or stanza.type not in (None, "unavailable") or self._is_told(sender):
            return
        item = event.account.roster.get(sender.bare)
        if item is None or item.subscription not in ("to", "both"):
            return
        for component in self._curious:
            wire = stanza.readdressed(component.jid)
            known = self._contacts.get(sender)
            if known is None or known.readdressed(component.jid) != wire:
                self._give(component, stanza)
        self._remember(sender, stanza)

    def _is_told(self, sender: JID) -> bool:
        """Whether a contact is an account here, of which `tell` tells."""
        return isinstance(self._host.router.routes.get(sender.domainpart), Host)

    def _remember(self, sender: JID, stanza: Stanza) -> None:
        self._contacts.pop(sender, None)
        if len(stanza.wire) <= CONTACT_BYTES:
            self._contacts[sender] = kept(stanza)
            if len(self._contacts) > CONTACTS:
                self._contacts.popitem(last=False)

    def introduce(self, line: Line) -> None:
        """Tell a component that comes late what it would know by now (§8)."""
        component = line.component
        if component not in self._all:
            return
        for account in self._host.accounts.active.values():
            for session in account.sessions.values():
                if session.presence is not None:
                    line.send(addressed(session.presence, component.jid))
        if component in self._curious:
            for stanza in self._contacts.values():
                if stanza.type is None:
                    line.send(addressed(stanza, component.jid))

    @staticmethod
    def _give(component: Component, stanza: Stanza) -> None:
        if component.is_connected:
            give(component, addressed(stanza, component.jid))
