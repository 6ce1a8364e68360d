"""XEP-0045 §6, §7.12: what the service tells of itself, of its rooms, and of the nickname one has there."""

from __future__ import annotations

from collections.abc import Sequence

from xmpp_server.core import discovery
from xmpp_server.core.hooks import Disco
from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.modules.muc.form import ROOM_CONFIG, SETTINGS, features
from xmpp_server.modules.muc.hooks import RoomDisco
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.register import FORM as REGISTER_FORM
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.voice import FORM as REQUEST_FORM
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, hidden_form_type
from xmpp_server.stanzas.iq import IqType
from xmpp_server.stanzas.rsm import PageRequest, paginate
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, DISCO_ITEMS, MUC, OCCUPANT_ID, REGISTER, SID

ROOM_INFO = "http://jabber.org/protocol/muc#roominfo"
STABLE_ID = f"{MUC}#stable_id"
SELF_PING = f"{MUC}#self-ping-optimization"
#: The node that stands for one's own nickname (§7.12), and the one for what may be said (§18.1.1).
NICK_NODE = "x-roomuser-item"
TRAFFIC_NODE = f"{MUC}#traffic"
#: Settings by which clients know what they may offer to those who are not owners.
TOLD = frozenset(f"muc#roomconfig_{name}" for name in ("changesubject", "allowinvites", "allowpm"))
#: Rooms in one answer; who wants more turns pages.
PAGE = 500


class Discovery:
    """Answers disco requests."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._rooms = muc.rooms
        service = muc.service
        service.disco.add(self._describe_service)
        service.on_iq(IqType.GET, To.SERVER, f"{DISCO_ITEMS} query", self._list_rooms)
        service.on_iq(IqType.GET, To.ACCOUNT, f"{DISCO_INFO} query", lambda request: muc.ask(request, self._info))
        service.on_iq(IqType.GET, To.ACCOUNT, f"{DISCO_ITEMS} query", lambda request: muc.ask(request, self._items))

    # The service.

    def _describe_service(self, disco: Disco) -> None:
        if not disco.node:
            disco.identities.append(("conference", "text", self._muc.config.name))
            disco.features.update((MUC, STABLE_ID, OCCUPANT_ID))

    async def _list_rooms(self, request: IqRequest) -> Element:
        """List the public rooms, a page at a time (§6.3)."""
        await self._rooms.ready()
        node = request.payload.get("node") or ""
        query = Element("query", DISCO_ITEMS)
        if node:
            query.attrs["node"] = node
            return query
        asked = PageRequest.of(request.payload)
        page = paginate(self._rooms.public(), lambda room: room[0], asked or PageRequest(), PAGE)
        for jid, name in page.items:
            query.add("item", jid=jid, name=name or jid.localpart)
        if asked is not None or not page.complete:
            query.append(page.info.to_element())
        return query

    # A room.

    def _info(self, open_: OpenRoom, request: IqRequest) -> Reply:
        room, node = open_.room, request.payload.get("node") or ""
        if node == NICK_NODE:
            return _own_nick(room, request)
        if node == TRAFFIC_NODE:  # §18.1.1: everything passes
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        disco = Disco(room.jid, request.sender, node, None)
        event = self._muc.hooks.room_disco.gather(RoomDisco(open_, disco))
        if not node:
            self._describe(open_, disco, event.fields)
        return discovery.info(disco, node)

    def _describe(self, open_: OpenRoom, disco: Disco, more: Sequence[Field]) -> None:
        room = open_.room
        disco.identities.append(("conference", "text", room.config.name or room.localpart))
        disco.features.update((DISCO_INFO, DISCO_ITEMS, MUC, STABLE_ID, SELF_PING, OCCUPANT_ID, SID))
        disco.features.update((ROOM_CONFIG, ROOM_INFO))
        if room.config.registration:
            disco.features.update((REGISTER, REGISTER_FORM))
        if room.config.voice_requests:
            disco.features.add(REQUEST_FORM)
        disco.features.update(features(room.config, self._muc.settings))
        disco.forms.append(room_info(room, more).to_element())

    def _items(self, open_: OpenRoom, request: IqRequest) -> Element:
        """List the occupants for those who are in the room, and for others if the room says so (§6.5)."""
        room = open_.room
        disco = Disco(room.jid, request.sender, request.payload.get("node") or "", None)
        if not disco.node and (room.config.public_occupants or request.sender in room.occupants.seats):
            disco.items += [(occupant.jid, "", occupant.nick) for occupant in room.occupants if occupant.visible]
        if disco.node:
            self._muc.hooks.room_disco.gather(RoomDisco(open_, disco))
        return discovery.items(disco)


def _own_nick(room: Room, request: IqRequest) -> Element:
    query = Element("query", DISCO_INFO, {"node": NICK_NODE})
    nick = room.nick_of(request.sender)
    if nick:
        query.add("identity", category="conference", type="text", name=nick)
    return query


def room_info(room: Room, more: Sequence[Field]) -> Form:
    """Return `muc#roominfo` (§16.5.4); of a room that is not for everybody subject (§14.4) and owners are left out."""
    config = room.config
    closed = config.members_only or bool(config.password)
    subject = "" if room.subject is None or closed else room.subject.text
    fields = [
        hidden_form_type(ROOM_INFO),
        Field("muc#roominfo_description", (config.description,), FieldType.TEXT_SINGLE, "Description"),
        Field("muc#roominfo_subject", (subject,), FieldType.TEXT_SINGLE, "Subject"),
        Field("muc#roominfo_occupants", (str(len(room.occupants)),), FieldType.TEXT_SINGLE, "Number of occupants"),
        Field("muc#roominfo_lang", (config.lang,), FieldType.TEXT_SINGLE, "Language of the discussion"),
        Field("muc#roominfo_subjectmod", ("1" if config.change_subject else "0",), FieldType.BOOLEAN, "Open subject"),
        Field("muc#maxhistoryfetch", (str(config.history),), FieldType.TEXT_SINGLE, "Messages of history, at most"),
    ]
    fields += [one.field(config) for one in SETTINGS if one.var in TOLD]
    if config.pubsub:
        fields.append(Field("muc#roomconfig_pubsub", (config.pubsub,), FieldType.TEXT_SINGLE, "Associated node"))
    if config.non_anonymous and not closed:
        fields.append(Field("muc#roominfo_contactjid", tuple(room.owners()), FieldType.JID_MULTI, "Owners"))
    return Form(FormType.RESULT, (*fields, *more))
