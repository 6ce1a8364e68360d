"""XEP-0045 §7.6, §7.7, §7.14: what an occupant does to its own presence, and how it goes."""

from __future__ import annotations

from collections.abc import Sequence

from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Destruction, Effect, Gone, Show, Status
from xmpp_server.modules.muc.nicks import check_nick
from xmpp_server.modules.muc.occupants import NOTHING, Occupant, Payload, Portrait, Seat
from xmpp_server.modules.muc.roles import Affiliation, Role
from xmpp_server.modules.muc.room import Room


def allowed_payload(room: Room, occupant: Occupant, payload: Payload) -> Payload:
    """Return what an occupant's presence says, or nothing where visitors do not tell their status."""
    return NOTHING if occupant.role is Role.VISITOR and not room.config.visitor_status else payload


def update(room: Room, seat: Seat, payload: Payload, ident: str | None = None) -> list[Effect]:
    """Show a changed presence (§7.7)."""
    occupant = seat.occupant
    seat.payload = payload
    occupant.main = seat
    occupant.touch()
    return [Show(occupant.portrait(), room.audience(occupant), id=ident)]


def change_nick(room: Room, seat: Seat, nick: str, payload: Payload, ident: str | None = None) -> list[Effect]:
    """Give an occupant another nickname, with all its clients (§7.6).

    Raises:
        StanzaError: jid-malformed, not-acceptable; it cannot be, or not here. conflict; it is somebody else's.

    """
    occupant = seat.occupant
    key = check_nick(nick, room.limits.nick_chars)
    if occupant.role is Role.VISITOR and not room.config.visitor_nick_change:
        raise StanzaError(Condition.NOT_ACCEPTABLE, "Visitors keep their nicknames here", type=ErrorType.CANCEL)
    registered = room.nick_of(seat.jid)
    if room.config.locked_nicks and registered and nick != registered:
        raise StanzaError(Condition.NOT_ACCEPTABLE, "Registered nicknames are kept here", type=ErrorType.CANCEL)
    holder = room.holder(key)
    if holder is not None and holder != occupant.bare:
        raise StanzaError(Condition.CONFLICT, "This nickname is somebody else's")
    if room.occupants.by_nick.get(key, occupant) is not occupant:
        raise StanzaError(Condition.CONFLICT, "Somebody here has this nickname")
    effects = rename(room, seat, key, nick, payload)
    effects.append(Show(occupant.portrait(), room.audience(occupant), id=ident))
    return effects


def rename(room: Room, seat: Seat, key: str, nick: str, payload: Payload) -> list[Effect]:
    """Change a nickname that was found free; the new one is still to be shown."""
    occupant = seat.occupant
    old = Portrait(occupant, seat.jid, NOTHING, available=False)
    old.role = occupant.role  # §7.6: who changes the nickname does not lose the role
    to = room.audience(occupant)
    del room.occupants.by_nick[room.key_of(occupant)]
    room.occupants.by_nick[key] = occupant
    seat.payload = payload
    occupant.main = seat
    occupant.rename(room.jid, nick)
    return [Show(old, to, (Status.NEW_NICK,), new_nick=nick)]


def leave(
    room: Room,
    jid: JID,
    payload: Payload = NOTHING,
    codes: tuple[Status, ...] = (),
    ident: str | None = None,
) -> list[Effect]:
    """Let a client go (§7.14); one that is not there is ignored (§17.3). `ident` is the id of its presence."""
    seat = room.occupants.seats.get(jid)
    if seat is None:
        return []
    occupant = seat.occupant
    to = room.audience(occupant)
    away = Portrait(occupant, jid, allowed_payload(room, occupant, payload), available=False)
    if room.occupants.drop_seat(seat):
        room.occupants.by_nick.pop(room.key_of(occupant))
        effects: list[Effect] = [Show(away, to, codes, id=ident)]
    else:
        effects = [Show(away, (seat,), codes, id=ident), Show(occupant.portrait(), room.audience(occupant))]
    return effects + room.vacated()  # one that was never configured goes, too (§10.1.3)


def remove(
    room: Room, occupant: Occupant, codes: Sequence[Status], actor: str = "", reason: str = "", new_nick: str = ""
) -> list[Effect]:
    """Put an occupant out, with all its clients. The end of an emptied room is the caller's to note."""
    to = room.audience(occupant)
    away = Portrait(occupant, occupant.main.jid, NOTHING, available=False)
    room.occupants.drop(room.key_of(occupant))
    return [Show(away, to, tuple(codes), (), actor, reason, new_nick)]


def destroy(room: Room, destruction: Destruction) -> list[Effect]:
    """End the room: each client hears of its own going only (§10.9)."""
    effects: list[Effect] = []
    for occupant in tuple(room.occupants):
        away = Portrait(occupant, occupant.main.jid, NOTHING, available=False)
        away.affiliation = Affiliation.NONE
        effects.append(Show(away, tuple(occupant.seats.values()), destroyed=destruction))
        room.occupants.drop(room.key_of(occupant))
    effects.append(Gone(destruction))
    return effects
