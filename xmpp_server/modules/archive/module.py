"""XEP-0313: Message Archive Management: messages go to an external archive, and their acknowledgement waits for it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xmpp_server.core.component_line import Line
from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, Inbound, Module, Order, Outbound, Xep
from xmpp_server.im.offline import keeping
from xmpp_server.jid import JID
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.asking import Asking
from xmpp_server.modules.archive.groupchat import Groupchat
from xmpp_server.modules.archive.handover import Handover
from xmpp_server.modules.archive.rooms import FEATURES, Rooms
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.stanzas.message import MessageType
from xmpp_server.xml.namespaces import MAM
from xmpp_server.xml.stanza import Stanza

RETRACT = "urn:xmpp:message-retract:1"


class ArchiveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which component the archive is, and what is done while it is away."""

    #: One of `[[components]]`; `{domain}` stands for the served domain.
    component: str = "archive.{domain}"
    #: Whether rooms have archives, too.
    rooms: bool = True
    #: Whether what rooms say is in the archives of users, too: one more entry for each user who hears it.
    groupchat: bool = False
    #: Whether the archive can search (XEP-0431): told to clients.
    search: bool = False
    #: Messages in one batch, and how long the archive may take for one.
    batch_entries: Annotated[int, Meta(ge=1, le=1000)] = 250
    answer_s: Annotated[float, Meta(gt=0)] = 15.0
    #: What is kept for an archive that is away, and what becomes of messages when that is full: they are refused, so
    #: that the archive has no gaps, or pass without being archived.
    spool_bytes: Annotated[int, Meta(ge=1_048_576)] = 67_108_864
    when_full: Literal["refuse", "pass"] = "pass"

    def component_of(self, domain: str) -> str:
        """Return the component that keeps the archives of a served domain."""
        return self.component.replace("{domain}", domain)


class Archive(Module):
    """Hands over what is worth keeping, of users and rooms, and passes on what they ask."""

    name = "archive"
    xeps = (
        Xep(313, "1.1.3", "by the archive component"),
        Xep(431, "0.2.0", "by the archive component, of accounts, if configured"),
        Xep(441, "0.2.0", "by the archive component"),
    )
    account_features = (*FEATURES, f"{MAM}#groupchat-field", RETRACT, f"{RETRACT}#tombstone")
    needs = (StableIds,)
    enabled_by_default = False
    enabled_with_component = True
    Config = ArchiveConfig
    config: ArchiveConfig

    def register(self, host: Host) -> None:
        """Stand between annotation and delivery."""
        config = self.config
        #: The component that keeps the archives.
        self.component = JID.parse(config.component_of(host.name))
        self._handover = Handover(
            host,
            self.component,
            batch_entries=config.batch_entries,
            most_bytes=config.spool_bytes,
            answer_s=config.answer_s,
            refuses=config.when_full == "refuse",
        )
        self.groupchat = Groupchat(host, self._handover) if config.groupchat else None
        asking = Asking(host, self.component, self._handover)
        host.hooks.message_in.add(self.received, Order.ARCHIVE)
        host.hooks.message_out.add(self.sent, Order.ARCHIVE)
        host.hooks.iq_request.add(asking.account, Order.DELIVER)
        host.hooks.account_deleted.add(lambda jid: self._handover.add(protocol.erasure(jid)))
        host.router.components.connected.add(self._connected)
        host.hooks.account_disco.add(self._describe)
        muc = host.modules.get(Muc)
        if config.rooms and isinstance(muc, Muc):
            Rooms(muc, self._handover, asking, self._said_in_room)

    def received(self, event: Inbound) -> None:
        """Archive what comes for an account, under the id that it was stamped with.

        Raises:
            StanzaError: resource-constraint; too much waits for the archive.

        """
        stanza, account = event.stanza, event.account
        if stanza.type == MessageType.GROUPCHAT:
            if self.groupchat is not None and not account.anonymous:
                self.groupchat.heard(stanza, account.jid)
            return
        ident, sender = stanza.stable_id, stanza.sender
        if ident is None or sender is None or account.anonymous:
            return
        if not self._handover.has_room():
            return
        known = str(sender.bare) in account.roster
        self._handover.add(protocol.entry(ident, account.jid, sender, stanza, in_roster=known), stanza.receipt)

    def sent(self, event: Outbound) -> None:
        """Archive what an account sends, under an id of its own; what it sends to itself comes by `received`.

        Raises:
            StanzaError: resource-constraint; too much waits for the archive.

        """
        stanza, account, to = event.stanza, event.session.account, event.stanza.to
        if to is None or to.bare == account.jid or account.anonymous or not keeping(stanza)[0]:
            return
        if not self._handover.has_room():
            return
        known = str(to.bare) in account.roster
        ident = account.host.ids.new()
        self._handover.add(protocol.entry(ident, account.jid, to, stanza, in_roster=known), stanza.receipt)

    @staticmethod
    def _said_in_room(open_: OpenRoom, stanza: Stanza, stable_id: str, sender: JID) -> None:
        """Give each host that has users in a room what is said there."""
        seats = open_.room.everybody()
        for host in {seat.session.host for seat in seats if seat.session is not None}:
            archive = host.modules.get(Archive)
            if isinstance(archive, Archive) and archive.groupchat is not None:
                archive.groupchat.said_here(seats, stanza, stable_id, sender)

    def _describe(self, disco: Disco) -> None:
        if disco.node:
            return
        if self.config.search:
            disco.features.add("urn:xmpp:fulltext:0")
        if self.config.groupchat:
            disco.features.add(f"{MAM}#groupchat-available")

    def _connected(self, line: Line) -> None:
        if self.component in line.component.domains:
            self._handover.connected()
