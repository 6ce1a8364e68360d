"""Rooms over a planned restart: clients that can resume their sessions find themselves where they were."""

from __future__ import annotations

import msgspec

from xmpp_server.core.module import SessionState
from xmpp_server.core.session import Session
from xmpp_server.errors import StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc import entering
from xmpp_server.modules.muc.effects import Status
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.occupants import Payload
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.stanza import Stanza


class _Visit(msgspec.Struct, array_like=True):
    room: str
    nick: str
    inner: bytes
    lang: bytes


_encode = msgspec.msgpack.Encoder().encode
_visits = msgspec.msgpack.Decoder(list[_Visit])


class Restart:
    """Writes down who sits where, and puts them back."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.host.hooks.session_saved.add(self._save)
        muc.host.hooks.session_restored.add(self._restore)

    def _save(self, state: SessionState) -> None:
        self._muc.rooms.save_histories()
        visits = []
        for open_ in self._muc.rooms.open_rooms():
            seat = open_.room.occupants.seats.get(state.session.jid)
            if seat is not None:
                visits.append(_Visit(open_.room.localpart, seat.occupant.nick, *seat.payload))
        if visits:
            state.data[self._muc.name] = _encode(visits)

    def _restore(self, state: SessionState) -> None:
        data = state.data.get(self._muc.name)
        if data is not None:
            self._muc.host.runtime.spawn(self._back(state.session, _visits.decode(data)), "rooms-restored")

    async def _back(self, session: Session, visits: list[_Visit]) -> None:
        for visit in visits:
            open_ = await self._muc.rooms.load(visit.room)
            room = JID.of(visit.room, self._muc.service.jid.domainpart)
            ident = self._muc.occupant_id(room, session.jid.bare)
            if open_ is None:  # a temporary one
                self._farewell(session, room, visit)
                continue
            entry = entering.Entry(
                session.jid, visit.nick, ident, Payload(visit.inner, visit.lang), open_.room.config.password
            )
            try:
                entering.enter(open_.room, entry)  # nobody is told: to the others, nobody was away
            except StanzaError:
                self._farewell(session, room, visit)
                continue
            self._muc.seat(open_.room.occupants.seats[session.jid])
            self._muc.emit(open_, ())

    def _farewell(self, session: Session, room: JID, visit: _Visit) -> None:
        """Tell a client that the room has not outlived the restart (§11.2)."""
        presence = Element("presence", CLIENT, {"type": "unavailable"})
        x = presence.add("x", MUC_USER)
        x.add("item", affiliation="none", role="none")
        for code in (Status.SELF, Status.SHUTDOWN):
            x.add("status", code=str(code.value))
        session.send_element(Stanza.build(presence, room.with_resource(visit.nick), session.jid))
