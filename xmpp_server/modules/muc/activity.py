"""XEP-0437: tells members that something was said in a room while they were not there, once for each room."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from xmpp_server.core.hooks import Disco, Verdict
from xmpp_server.core.order import Order
from xmpp_server.jid import JID
from xmpp_server.modules.muc.hooks import Left, Moved, RoomMessage
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas import message
from xmpp_server.xml.element import Element
from xmpp_server.xml.stanza import Stanza

K = TypeVar("K")

RAI = "urn:xmpp:rai:0"
TAG = f"{RAI} rai"
SUBSCRIBERS = 10_000
#: Moments that are remembered, of rooms and of members; the oldest go.
REMEMBERED = 100_000
#: Rooms that sleep, and are looked at when somebody subscribes.
AWAKENED = 100


class Activity:
    """Knows who wants to hear, and what they have missed."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        #: The clients that want to hear, and the rooms that each was told of since it was there.
        self._told: dict[JID, set[JID]] = {}
        self._clients: dict[JID, set[JID]] = {}
        #: When something was said in a room last, and when an account was there last.
        self._said: dict[JID, float] = {}
        self._there: dict[tuple[JID, JID], float] = {}
        muc.hooks.service_presence.add(self._presence)
        muc.hooks.message.add(self._spoken, Order.PUSH)
        muc.hooks.entered.add(self._entered)
        muc.hooks.left.add(self._left)
        muc.service.disco.add(_describe)

    # Subscriptions.

    def _presence(self, stanza: Stanza) -> None:
        sender = stanza.sender
        if sender is None or sender.localpart is None:
            return
        if stanza.type is not None:
            self._forget(sender)
        elif TAG in stanza.children:
            self._forget(sender)
            if len(self._told) >= SUBSCRIBERS:
                self._forget(next(iter(self._told)))
            self._told[sender] = set()
            self._clients.setdefault(sender.bare, set()).add(sender)
            self._muc.host.runtime.spawn(self._catch_up(sender), "room-activity")

    def _forget(self, jid: JID) -> None:
        if self._told.pop(jid, None) is not None:
            clients = self._clients[jid.bare]
            clients.discard(jid)
            if not clients:
                del self._clients[jid.bare]

    async def _catch_up(self, jid: JID) -> None:
        """Tell in one message of all rooms in which something was said since the account was there (§5)."""
        missed = []
        awakened = 0
        for room, said in list(self._said.items()):
            if said <= self._there.get((jid.bare, room), -1.0):
                continue
            open_ = self._muc.rooms.get(room.localpart)
            if open_ is None:
                if awakened >= AWAKENED:
                    continue
                awakened += 1
                open_ = await self._muc.rooms.load(room.localpart or "")
            if open_ is not None and _may_hear(open_.room, jid) and jid not in open_.room.occupants.seats:
                missed.append(room)
        told = self._told.get(jid)
        if told is not None and missed:
            told.update(missed)
            self._tell(jid, missed)

    # What happens in rooms.

    def _spoken(self, event: RoomMessage) -> Verdict:
        if not event.keep:
            return False
        room = event.open.room
        _note(self._said, room.jid, self._muc.host.now())
        clients = self._clients
        fewer, more = (room.affiliates, clients) if len(room.affiliates) < len(clients) else (clients, room.affiliates)
        for jid in [jid for bare in fewer if bare in more for jid in clients[bare]]:
            if room.jid not in self._told[jid] and jid not in room.occupants.seats and _may_hear(room, jid):
                self._told[jid].add(room.jid)
                # behind the message itself, which is still to be reflected
                self._muc.host.runtime.soon(partial(self._tell, jid, (room.jid,)))
        return False

    def _entered(self, event: Moved) -> None:
        told = self._told.get(event.seat.jid)
        if told is not None:
            told.discard(event.open.room.jid)

    def _left(self, event: Left) -> None:
        room = event.open.room
        if _may_hear(room, event.jid):
            _note(self._there, (event.jid.bare, room.jid), self._muc.host.now())

    def _tell(self, jid: JID, rooms: Iterable[JID]) -> None:
        rai = Element("rai", RAI)
        for room in rooms:
            rai.add("activity", text=str(room))
        service = self._muc.service
        service.send(message.build(service.jid, jid, id=self._muc.host.ids.new(), payloads=(rai,)))


def _may_hear(room: Room, jid: JID) -> bool:
    """Tell whether somebody is on one of the lists; the admins of the server do not hear of all rooms."""
    found = room.affiliates.get(jid.bare)
    return found is not None and found.affiliation >= Affiliation.MEMBER


def _note(moments: dict[K, float], key: K, now: float) -> None:
    moments.pop(key, None)
    moments[key] = now
    if len(moments) > REMEMBERED:
        del moments[next(iter(moments))]


def _describe(disco: Disco) -> None:
    if not disco.node:
        disco.features.add(RAI)
