"""XEP-0045 §11.2: before the server stops, those are let go who will not be put back by `restart`."""

from __future__ import annotations

from dataclasses import replace

from xmpp_server.modules.muc import visiting
from xmpp_server.modules.muc.effects import Effect, Show, Status
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.occupants import NOTHING, Seat
from xmpp_server.modules.muc.open_room import OpenRoom


class Shutdown:
    """Takes leave."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.host.hooks.stopping.add(self._stopping)

    def _stopping(self, _: None) -> None:
        for open_ in self._muc.rooms.open_rooms():
            going = [seat for seat in open_.room.everybody() if not _comes_back(seat)]
            effects = [
                effect for seat in going for effect in visiting.leave(open_.room, seat.jid, NOTHING, (Status.SHUTDOWN,))
            ]
            self._muc.emit(open_, [_for_who_stays(open_, effect) for effect in effects])


def _comes_back(seat: Seat) -> bool:
    """Tell whether a client can resume its session after a restart."""
    session = seat.session
    return session is not None and session.sm is not None and session.sm.resumable


def _for_who_stays(open_: OpenRoom, effect: Effect) -> Effect:
    """Spare those who go what is said of one another; each hears of its own going."""
    if not isinstance(effect, Show):
        return effect
    seats, occupant = open_.room.occupants.seats, effect.portrait.occupant
    return replace(effect, to=[seat for seat in effect.to if seat.jid in seats or seat.occupant is occupant])
