"""The archives of rooms: what is said there, and who may read it (XEP-0313 §5.1.2)."""

from __future__ import annotations

from functools import partial

from xmpp_server.core.hooks import Verdict, Wait
from xmpp_server.core.module import IqRequest, Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.offline import NO_PERMANENT_STORE, NO_STORE, TRANSIENT
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.asking import TAGS, Asking
from xmpp_server.modules.archive.handover import Handover
from xmpp_server.modules.muc import Muc
from xmpp_server.modules.muc.hooks import Announced, RoomDisco, RoomMessage
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.rooms import OpenRoom
from xmpp_server.modules.muc.wire import NOT_IN_MESSAGES, copies, inner_of, lang_of, occupant_id
from xmpp_server.xml.namespaces import MAM
from xmpp_server.xml.stanza import Stanza

FEATURES = (MAM, f"{MAM}#extended")


class Rooms:
    """Keeps what rooms reflect, in the form in which they reflect it."""

    def __init__(self, muc: Muc, handover: Handover, asking: Asking) -> None:
        self._muc = muc
        self._handover = handover
        self._asking = asking
        muc.hooks.message.add(self._keep, Order.ARCHIVE)
        muc.hooks.announced.add(self._retract)
        muc.hooks.room_disco.add(self._describe)
        muc.hooks.destroyed.add(lambda event: handover.add(protocol.erasure(event.jid)))
        muc.service.request.add(self._ask, Order.DELIVER)

    def _keep(self, event: RoomMessage) -> None:
        stanza = event.stanza
        if not (event.keep or event.subject or _is_telling(stanza)):
            return
        if not self._handover.has_room():
            return
        room, occupant, ident = event.open.room.jid, event.seat.occupant, event.stable_id
        inner = b"%b%b<stanza-id xmlns='urn:xmpp:sid:0' by='%b' id='%b'/>%b" % (
            inner_of(stanza, NOT_IN_MESSAGES, room),
            occupant_id(occupant.id),
            room.encoded,
            ident.encode(),
            b"".join(event.extra),
        )
        shown = copies(
            "message", occupant.jid, inner, (), kind="groupchat", id=stanza.id or ident, lang=lang_of(stanza)
        )
        self._handover.add(protocol.entry(ident, room, occupant.jid, shown.stanza, room=True), stanza.receipt)

    def _retract(self, event: Announced) -> None:
        """Keep what moderators do, even where there is no room for more: the archive has to forget something."""
        room = event.open.room.jid
        entry = protocol.entry(event.stable_id, room, room, event.stanza, room=True)
        self._handover.add(entry, event.request.receipt)

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


def _is_telling(stanza: Stanza) -> bool:
    """Tell whether a message without a body is of use later: reactions, retractions, markers."""
    tags = stanza.children
    if NO_STORE in tags or NO_PERMANENT_STORE in tags:
        return False
    return not all(tag.startswith(TRANSIENT) or tag.endswith(" thread") for tag in tags)
