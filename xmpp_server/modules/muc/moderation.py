"""XEP-0425: moderators retract what others have said; version 0.3, and 0.2 for clients that know no other."""

from __future__ import annotations

from xmpp_server.core.iq import IqRequest, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.history import Line
from xmpp_server.modules.muc.hooks import Announced, RoomDisco
from xmpp_server.modules.muc.limits import ID_CHARS
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.retraction import RETRACT, bury
from xmpp_server.modules.muc.roles import Role
from xmpp_server.modules.muc.wire import of_element
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, OCCUPANT_ID, SID

MODERATE, MODERATE_0 = "urn:xmpp:message-moderate:1", "urn:xmpp:message-moderate:0"
RETRACT_0, FASTEN = "urn:xmpp:message-retract:0", "urn:xmpp:fasten:0"
REASON_CHARS = 1024


class Moderation:
    """Answers requests of moderators."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.hooks.room_disco.add(_describe)
        for tag in (f"{MODERATE} moderate", f"{FASTEN} apply-to"):
            muc.service.on_iq(IqType.SET, To.ACCOUNT, tag, lambda request: muc.ask(request, self._asked))

    def _asked(self, open_: OpenRoom, request: IqRequest) -> None:
        """Retract a message for everybody; what the history does not know (any more) may be in archives (§4)."""
        room, sender = open_.room, request.sender
        stable_id, reason = _read(request.payload)
        if room.standing(sender)[0] < Role.MODERATOR:
            raise StanzaError(Condition.FORBIDDEN, "Moderators do this")
        seat = room.occupants.seats.get(sender)
        by = room.jid if seat is None else seat.occupant.jid
        ident = self._muc.occupant_id(room.jid, sender.bare)
        own_id = self._muc.host.ids.new()
        message = Element("message", CLIENT, {"type": "groupchat", "id": own_id})
        message.children.extend(_announcement(stable_id, by, ident, reason))
        message.add("stanza-id", SID, by=str(room.jid), id=own_id)
        retracted = Element("retracted", RETRACT, {"id": message.attrs["id"]})
        _moderated(retracted, by, ident, reason)
        now = self._muc.host.utcnow()
        written = of_element(message, room.jid)
        self._muc.hooks.announced.fire(Announced(open_, written.stanza, own_id, request.stanza))
        if bury(room, stable_id, retracted, now, lambda _: True):
            room.history.add(Line(now, written.head, written.tail, own_id), room.config.history)
        self._muc.service.after_answer(lambda: self._muc.broadcast.deliver(written, room.everybody()))


def _describe(event: RoomDisco) -> None:
    if not event.disco.node:
        event.disco.features.update((MODERATE, MODERATE_0))


def _read(payload: Element) -> tuple[str, str]:
    """Return which message is meant, and why.

    Raises:
        StanzaError: bad-request; that is not told. feature-not-implemented; something else than a retraction.

    """
    stable_id = payload.get("id")
    moderate = payload if payload.ns == MODERATE else payload.find("moderate", MODERATE_0)
    if not stable_id or len(stable_id) > ID_CHARS or moderate is None:
        raise StanzaError(Condition.BAD_REQUEST, "Which message?")
    if not any(child.name == "retract" and child.ns in (RETRACT, RETRACT_0) for child in moderate.elements()):
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, "Messages can be retracted")
    reason = moderate.find("reason", moderate.ns)
    return stable_id, "" if reason is None else reason.text[:REASON_CHARS]


def _announcement(stable_id: str, by: JID, ident: str, reason: str) -> list[Element]:
    """Return what the room says, in both versions."""
    retract = Element("retract", RETRACT, {"id": stable_id})
    _moderated(retract, by, ident, reason)
    old = Element("apply-to", FASTEN, {"id": stable_id})
    moderated = old.add("moderated", MODERATE_0, by=str(by))
    moderated.add("retract", RETRACT_0)
    if reason:
        moderated.add("reason", text=reason)
    return [retract, old]


def _moderated(parent: Element, by: JID, ident: str, reason: str) -> None:
    parent.add("moderated", MODERATE, by=str(by)).add("occupant-id", OCCUPANT_ID, id=ident)
    if reason:
        parent.add("reason", text=reason)
