"""XEP-0356: Privileged Entity: the module, and what a component is told of its privileges."""

from __future__ import annotations

from xmpp_server.core.component_line import Line
from xmpp_server.core.grants import Grants
from xmpp_server.core.host import Host
from xmpp_server.core.module import Module, Xep
from xmpp_server.im.roster import Roster
from xmpp_server.modules.privilege.messages import Messages
from xmpp_server.modules.privilege.presences import Presences
from xmpp_server.modules.privilege.requests import Requests
from xmpp_server.modules.privilege.rosters import Rosters
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, PRIVILEGE
from xmpp_server.xml.stanza import Stanza


class Privilege(Module):
    """Lets components read and change rosters, learn presence, and send in the name of accounts, as far as granted."""

    name = "privilege"
    xeps = (Xep(356, "0.4.1", "roster pushes go to all who may read rosters"),)
    needs = (Roster,)

    def register(self, host: Host) -> None:
        """Take what privileged components send, and tell them what they may know."""
        self._host = host
        components = host.router.components
        if components.all:
            Messages(host)
            Requests(host)
        if any(_has_any(component.grants) for component in components.all):
            roster = host.module(Roster)
            Rosters(host, roster)
            components.connected.add(self.announce)
            Presences(host)  # behind the announcement

    def announce(self, line: Line) -> None:
        """Tell a component its privileges (§4.2, §5.2, §6.2, §7.2)."""
        grants = line.component.grants
        if not _has_any(grants):
            return
        message = Element("message", CLIENT, {"id": self._host.ids.new()})
        privilege = message.add("privilege", PRIVILEGE)
        if grants.roster:
            privilege.add("perm", access="roster", type=grants.roster)
        if grants.message:
            privilege.add("perm", access="message", type="outgoing")
        if grants.iq:
            perm = privilege.add("perm", access="iq")
            for namespace, kind in grants.iq.items():
                perm.append(Element("namespace", PRIVILEGE, {"ns": namespace, "type": kind}))
        if grants.presence:
            privilege.add("perm", access="presence", type=grants.presence)
        line.send(Stanza.build(message, self._host.jid, line.domain))


def _has_any(grants: Grants) -> bool:
    return bool(grants.roster or grants.message or grants.iq or grants.presence)
