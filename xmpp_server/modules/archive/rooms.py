"""The archives of rooms: what is said there, and who may read it (XEP-0313 §5.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from xmpp_server.core.hooks import Verdict, Wait
from xmpp_server.core.module import IqRequest, Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.asking import TAGS, Asking
from xmpp_server.modules.archive.groupchat import is_telling
from xmpp_server.modules.archive.handover import Handover
from xmpp_server.modules.archive.room_setting import SETTING, is_archived
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.muc.hooks import Announced, RoomDisco, RoomMessage
from xmpp_server.modules.muc.messages import reflected
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.retraction import RETRACT_TAG
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.wire import copies, lang_of
from xmpp_server.xml.namespaces import MAM
from xmpp_server.xml.stanza import Stanza

#: Takes what a room says, with its id and sender, for the archives of those who hear it.
ToUsers: TypeAlias = Callable[[OpenRoom, Stanza, str, JID], None]
FEATURES = (MAM, f"{MAM}#extended")


class Rooms:
    """Keeps what rooms reflect, in the form in which they reflect it."""

    def __init__(self, muc: Muc, handover: Handover, asking: Asking, to_users: ToUsers) -> None:
        self._muc = muc
        self._handover = handover
        self._asking = asking
        self._to_users = to_users
        muc.settings.append(SETTING)
        muc.hooks.message.add(self._keep, Order.ARCHIVE)
        muc.hooks.announced.add(self._retract)
        muc.hooks.room_disco.add(self._describe)
        muc.hooks.destroyed.add(lambda event: handover.add(protocol.erasure(event.jid)))
        # a temporary room ends with the server's process, and nobody says so to the archive
        muc.hooks.founded.add(lambda open_: handover.add(protocol.erasure(open_.room.jid)))
        muc.service.request.add(self._ask, Order.DELIVER)

    def _keep(self, event: RoomMessage) -> None:
        stanza = event.stanza
        if not (event.keep or event.subject or is_telling(stanza)):
            return
        if not self._handover.has_room():
            return
        room, sender, ident = event.open.room.jid, event.seat.occupant.jid, event.stable_id
        shown = copies(
            "message", sender, reflected(event), (), kind="groupchat", id=stanza.id or ident, lang=lang_of(stanza)
        )
        # what is retracted may have been said before
        if is_archived(event.open.room.config) or RETRACT_TAG in stanza.children:
            self._handover.add(protocol.entry(ident, room, sender, shown.stanza, room=True), stanza.receipt)
        self._to_users(event.open, shown.stanza, ident, sender)

    def _retract(self, event: Announced) -> None:
        """Keep what moderators do, even where there is no room for more: the archive has to forget something."""
        room = event.open.room.jid
        entry = protocol.entry(event.stable_id, room, room, event.stanza, room=True)
        self._handover.add(entry, event.request.receipt)
        self._to_users(event.open, event.stanza, event.stable_id, room)

    @staticmethod
    def _describe(event: RoomDisco) -> None:
        if not event.disco.node:
            event.disco.features.update(FEATURES)

    def _ask(self, request: IqRequest) -> Verdict:
        localpart = request.to.localpart
        if request.stanza.children[0] not in TAGS or localpart is None:
            return False
        return self._muc.rooms.with_room(localpart, partial(self._in_room, request)) or True

    def _in_room(self, request: IqRequest, open_: OpenRoom | None) -> Wait:
        if open_ is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such room")
        room = open_.room
        affiliation = room.affiliation(request.sender)
        closed = room.config.members_only or bool(room.config.password)
        if affiliation is Affiliation.OUTCAST:
            raise StanzaError(Condition.FORBIDDEN)
        if closed and affiliation < Affiliation.MEMBER and request.sender not in room.occupants.seats:
            raise StanzaError(Condition.FORBIDDEN, "Only who may enter may read")
        self._asking.ask(request, room.jid, room=True)
        return None
