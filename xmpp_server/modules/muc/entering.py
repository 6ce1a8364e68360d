"""XEP-0045 §7.2: entering a room, by every check that stands before it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Effect, Show, Status, Welcome
from xmpp_server.modules.muc.nicks import check_nick
from xmpp_server.modules.muc.occupants import NOTHING, Occupant, Payload, Seat
from xmpp_server.modules.muc.roles import Affiliation, Privilege, has
from xmpp_server.modules.muc.room import Affiliate, Room
from xmpp_server.modules.muc.visiting import allowed_payload, change_nick


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody wants to enter. `occupant_id` is what the room calls that account (XEP-0421)."""

    jid: JID
    nick: str
    occupant_id: str
    payload: Payload = NOTHING
    password: str = ""
    id: str | None = None


def found(room: Room, creator: JID) -> None:
    """Make a new room its creator's; it is locked until that is configured (§10.1.1)."""
    room.creator = creator.bare
    room.locked = True
    room.affiliate(creator.bare, Affiliate(Affiliation.OWNER))


def enter(room: Room, entry: Entry) -> list[Effect]:
    """Let somebody in, or show a client that is in already everything again (§7.2.1, §17.3).

    Raises:
        StanzaError: See the table of §7.2.17.

    """
    seat = room.occupants.seats.get(entry.jid)
    if seat is not None:
        return _again(room, seat, entry)
    affiliation = room.affiliation(entry.jid)
    nick, assigned = _nick(room, entry)
    key = check_nick(nick, room.limits.nick_chars)
    _check_door(room, entry, affiliation)
    occupant = _check_nick_free(room, entry.jid, key)
    if occupant is None:
        _check_space(room, affiliation)
        role = room.config.default_role(affiliation)
        occupant = Occupant(room.jid, nick, entry.jid.bare, affiliation, role, entry.occupant_id)
    known = bool(occupant.seats)
    seat = Seat(entry.jid, occupant, allowed_payload(room, occupant, entry.payload))
    room.occupants.add(key, occupant, seat)
    if not known:
        occupant.visible = room.is_shown(occupant)
    effects = _introduced(room, seat)
    others = [one for one in room.audience(occupant) if one is not seat]
    effects.append(Show(occupant.portrait(), others))
    effects.append(Show(occupant.portrait(), (seat,), (), _own_codes(room, assigned), id=entry.id))
    effects.append(Welcome(seat))
    return effects


def _nick(room: Room, entry: Entry) -> tuple[str, bool]:
    """Return the nickname to bear, and whether it is another than the wanted one (§7.10)."""
    registered = room.nick_of(entry.jid)
    if room.config.locked_nicks and registered and registered != entry.nick:
        return registered, True
    return entry.nick, False


def _check_door(room: Room, entry: Entry, affiliation: Affiliation) -> None:
    if affiliation is Affiliation.OUTCAST:  # §7.2.7
        raise StanzaError(Condition.FORBIDDEN, "You are banned from this room")
    if room.locked and affiliation is not Affiliation.OWNER:  # §7.2.10
        raise StanzaError(Condition.ITEM_NOT_FOUND, "This room is not ready yet")
    if room.config.members_only and not has(Privilege.ENTER_MEMBERS_ONLY, affiliation):  # §7.2.6
        raise StanzaError(Condition.REGISTRATION_REQUIRED, "This room is for members")
    password = room.config.password
    if password and not hmac.compare_digest(password.encode(), entry.password.encode()):  # §7.2.5
        raise StanzaError(Condition.NOT_AUTHORIZED, "This room has another password", echo=False)


def _check_nick_free(room: Room, jid: JID, key: str) -> Occupant | None:
    """Return the occupant of that nickname, if it is the same account's (§7.2.8)."""
    holder = room.holder(key)
    if holder is not None and holder != jid.bare:
        raise StanzaError(Condition.CONFLICT, "This nickname is somebody else's")
    occupant = room.occupants.by_nick.get(key)
    if occupant is not None and occupant.bare != jid.bare:
        raise StanzaError(Condition.CONFLICT, "Somebody here has this nickname")
    return occupant


def _check_space(room: Room, affiliation: Affiliation) -> None:
    limit = min(room.config.max_users or room.limits.occupants, room.limits.occupants)
    if affiliation >= Affiliation.ADMIN:
        limit += room.limits.spare_seats
    if len(room.occupants) >= limit:  # §7.2.9: may be another day
        raise StanzaError(Condition.SERVICE_UNAVAILABLE, "This room is full", type=ErrorType.WAIT)


def _introduced(room: Room, seat: Seat) -> list[Effect]:
    """Show a newcomer the others (§7.2.2)."""
    one = (seat,)
    return [
        Show(occupant.portrait(), one)
        for occupant in room.occupants
        if occupant.visible and occupant is not seat.occupant
    ]


def _own_codes(room: Room, assigned: bool) -> tuple[Status, ...]:
    codes = []
    if room.config.non_anonymous:
        codes.append(Status.NON_ANONYMOUS)
    if room.config.logging:
        codes.append(Status.LOGGING)
    if room.locked:
        codes.append(Status.CREATED)
    if assigned:
        codes.append(Status.NICK_CHANGED_BY_SERVICE)
    return tuple(codes)


def _again(room: Room, seat: Seat, entry: Entry) -> list[Effect]:
    """A client that has lost track of the room gets all of it again; others hear of what is new."""
    occupant = seat.occupant
    payload = allowed_payload(room, occupant, entry.payload)
    effects: list[Effect] = []
    if check_nick(entry.nick, room.limits.nick_chars) != room.key_of(occupant):
        effects += change_nick(room, seat, entry.nick, payload)
    changed = seat.payload != payload
    seat.payload = payload
    occupant.main = seat
    occupant.touch()
    effects += _introduced(room, seat)
    if changed:
        effects.append(Show(occupant.portrait(), [one for one in room.audience(occupant) if one is not seat]))
    effects.append(Show(occupant.portrait(), (seat,), (), _own_codes(room, False), id=entry.id))
    effects.append(Welcome(seat))
    return effects
