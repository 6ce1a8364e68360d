"""XEP-0486: the card of a room, with its avatar; who is there hears of it as in XEP-0153, too."""

from __future__ import annotations

import base64
import binascii
import hashlib

from xmpp_server.core.hooks import Disco
from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.modules.muc.effects import Changed, Notice, Status
from xmpp_server.modules.muc.hooks import Destroyed, Moved, RoomDisco
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.roles import Privilege, has
from xmpp_server.modules.muc.wire import Copies, of_element
from xmpp_server.stanzas.forms import Field, FieldType
from xmpp_server.stanzas.iq import IqType
from xmpp_server.storage.api import Commit
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, VCARD, VCARD_UPDATE
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

TAG = f"{VCARD} vCard"
#: Kind of a room's document, with the key "".
KIND = "muc-vcard"
#: What the configuration keeps: the hashes of the avatar, and that there is a card at all.
HASHES, CARD = "avatar", "card"
PHOTOS = 8


class Avatars:
    """Keeps the cards of rooms. One whose configuration knows of no card is a namesake's that is gone."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._documents = muc.host.storage.documents
        muc.service.on_iq(IqType.GET, To.ACCOUNT, TAG, lambda request: muc.ask(request, self._get))
        muc.service.on_iq(IqType.SET, To.ACCOUNT, TAG, lambda request: muc.ask(request, self._set))
        muc.service.disco.add(_describe_service)
        muc.hooks.room_disco.add(_describe)
        muc.hooks.entered.add(self._entered)
        muc.hooks.destroyed.add(self._destroyed)

    def _get(self, open_: OpenRoom, request: IqRequest) -> Reply:
        return self._read(open_)

    async def _read(self, open_: OpenRoom) -> Element:
        stored = await self._documents.get(open_.room.jid, KIND, "")
        if stored is None or CARD not in open_.room.config.more:
            return Element("vCard", VCARD)  # what unpublishes an avatar (§3.2) is what there is without one
        return parse(stored)

    def _set(self, open_: OpenRoom, request: IqRequest) -> Reply:
        """Take a card from an owner; an empty one takes the avatar away (§3.2)."""
        room, card = open_.room, request.payload
        if not has(Privilege.CONFIGURE, room.affiliation(request.sender)):
            raise StanzaError(Condition.FORBIDDEN, "Owners do this")
        data = serialize(card)
        limit = self._muc.config.card_bytes
        if len(data) > limit:
            raise StanzaError(Condition.POLICY_VIOLATION, f"A card has at most {limit} bytes", echo=False)
        empty = next(card.elements(), None) is None
        old = room.config.more.get(HASHES)
        room.config = room.config.having(avatar=_hashes(card), card=() if empty else ("1",))
        if empty:
            commit = self._documents.remove(room.jid, KIND, "")
        else:
            commit = self._documents.put(room.jid, KIND, "", data)
        everybody = room.everybody()
        self._muc.emit(open_, [Changed(), Notice((Status.CONFIGURED,), everybody)])
        if room.config.more.get(HASHES) != old:
            self._muc.broadcast.deliver(_update(open_), everybody)
        return _stored(commit)

    def _entered(self, event: Moved) -> None:
        if event.open.room.config.more.get(HASHES):
            self._muc.broadcast.deliver(_update(event.open), (event.seat,))

    def _destroyed(self, event: Destroyed) -> None:
        if CARD in event.room.config.more:
            self._documents.remove(event.room.jid, KIND, "")


async def _stored(commit: Commit) -> Element | None:
    await commit
    return None


def _hashes(card: Element) -> tuple[str, ...]:
    """Return the hashes of all its pictures, which show the same (§4.1).

    Raises:
        StanzaError: bad-request; one is not in Base64. policy-violation; there are too many.

    """
    hashes = []
    for photo in card.findall("PHOTO", VCARD):
        value = photo.find("BINVAL", VCARD)
        if value is None or not value.text.strip():
            continue
        try:
            data = base64.b64decode("".join(value.text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise StanzaError(Condition.BAD_REQUEST, "A picture is not in Base64", echo=False) from None
        hashes.append(hashlib.sha1(data, usedforsecurity=False).hexdigest())
    if len(hashes) > PHOTOS:
        raise StanzaError(Condition.POLICY_VIOLATION, f"A card has at most {PHOTOS} pictures", echo=False)
    return tuple(hashes)


def _describe_service(disco: Disco) -> None:
    if not disco.node:
        disco.features.add(VCARD)


def _describe(event: RoomDisco) -> None:
    if event.disco.node:
        return
    event.disco.features.add(VCARD)
    hashes = event.open.room.config.more.get(HASHES)
    if hashes:
        event.fields.append(Field("muc#roominfo_avatarhash", hashes, FieldType.TEXT_MULTI, "Avatar hash"))


def _update(open_: OpenRoom) -> Copies:
    """Return the presence of the room itself (§4.2); without an avatar its `<photo/>` is empty."""
    presence = Element("presence", CLIENT)
    hashes = open_.room.config.more.get(HASHES, ("",))
    presence.add("x", VCARD_UPDATE).add("photo", text=hashes[0])
    return of_element(presence, open_.room.jid)
