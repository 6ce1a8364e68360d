"""XEP-0356 §4: components read and change rosters, and get roster pushes."""

from __future__ import annotations

from xmpp_server.core.component import Component
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Order
from xmpp_server.errors import StanzaError
from xmpp_server.im.roster import QUERY, Roster, RosterChange
from xmpp_server.im.roster_items import is_listed, item_element, looks_the_same, query_element, removed_element
from xmpp_server.stanzas import iq as iqs
from xmpp_server.xml.stanza import Stanza


class Rosters:
    """Lets a request for a roster count as its owner's, where that is granted."""

    def __init__(self, host: Host, roster: Roster) -> None:
        self._host = host
        self._roster = roster
        host.hooks.iq_request.add(self.admit, Order.ANNOTATE)
        roster.changed.add(self.push)

    def admit(self, request: IqRequest) -> bool:
        """Let a component ask as the account itself; all others are refused by the roster (§4.3)."""
        if request.account is None or request.stanza.children[0] != QUERY:
            return False
        component = self._host.router.components.find(request.sender.domainpart)
        if component is not None and component.grants.roster in (request.type.value, "both"):
            request.sender = request.account.jid
        return False

    def push(self, change: RosterChange) -> None:
        """Tell components that may read rosters of a change (§4.4)."""
        if looks_the_same(change.old, change.new):
            return
        for component in self._host.router.components.all:
            if component.is_connected and component.grants.roster in ("get", "both"):
                self._push(component, change)

    def _push(self, component: Component, change: RosterChange) -> None:
        account = change.account
        item = change.new or change.old
        assert item is not None  # noqa: S101 - they would look the same
        element = item_element(item) if is_listed(change.new) else removed_element(item.jid)
        query = query_element([element], self._roster.version(account))
        ident = self._host.iqs.new_id()
        push = iqs.request(IqType.SET, account.jid, component.jid, ident, query)
        give(component, push)


def give(component: Component, stanza: Stanza) -> None:
    """Give a component what it likes to know; where it does not keep up, it is not told."""
    try:
        component.route(stanza)
    except StanzaError:
        return
