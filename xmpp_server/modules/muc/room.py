"""A room as state: who is in it, who is what to it, how it is set up. No XML, no I/O, no clock.

What happens in a room is in the files around: `entering`, `visiting`, `power`, `configuring`. Each is given a room,
changes it, and returns the effects that others have to hear of.
"""

from __future__ import annotations

from collections.abc import Set

import msgspec

from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Effect, Gone, Show
from xmpp_server.modules.muc.history import History, Line
from xmpp_server.modules.muc.journal import Journal
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import NOTHING, Occupant, Occupants, Portrait, Seat
from xmpp_server.modules.muc.roles import Affiliation, Role
from xmpp_server.modules.muc.settings import RoomConfig


class Affiliate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody is to the room for good, and which nickname is theirs."""

    affiliation: Affiliation
    nick: str = ""
    reason: str = ""

    def size(self, jid: JID) -> int:
        """Return the bytes of what is noted of an account."""
        return len(jid.encoded) + len(self.nick.encode()) + len(self.reason.encode())


class Subject(msgspec.Struct, frozen=True):
    """What the room talks about: the plain text, and the message that said so."""

    text: str
    line: Line


class RoomLimits(msgspec.Struct, frozen=True):
    """What the service grants each of its rooms."""

    occupants: int = 5000
    #: Above so many occupants, the coming and going of those who do not moderate is not shown any more.
    presence_occupants: int = 1000
    #: Admins may enter a full room, so many more.
    spare_seats: int = 10
    affiliations: int = 10_000
    #: Of all addresses, nicknames and reasons on the lists: these are as long as their authors like.
    affiliation_bytes: int = 1_048_576
    nick_chars: int = 100
    #: Accounts that own every room, whatever its list says: the admins of the server.
    superiors: Set[JID] = frozenset()


class Room:
    """One room."""

    def __init__(self, jid: JID, config: RoomConfig, limits: RoomLimits) -> None:
        self.jid = jid
        self.config = config
        self.limits = limits
        #: By bare JID, or by domain for an outcast.
        self.affiliates: dict[JID, Affiliate] = {}
        self.occupants = Occupants()
        self.history = History()
        self.journal = Journal()
        self.subject: Subject | None = None
        #: New, and not configured yet: nobody else may enter (§10.1.1).
        self.locked = False
        #: Who made it; counts against their limit.
        self.creator: JID | None = None
        self._reserved: dict[str, JID] | None = None
        #: Of what is noted of all affiliates.
        self.listed_bytes = 0

    @property
    def localpart(self) -> str:
        """What the room is called in its service."""
        assert self.jid.localpart is not None  # noqa: S101 - the address of a room has one
        return self.jid.localpart

    # What somebody is.

    def affiliation(self, jid: JID) -> Affiliation:
        """Return the affiliation of an account; a ban of its domain counts (§9.2)."""
        if jid.bare in self.limits.superiors:
            return Affiliation.OWNER
        found = self.affiliates.get(jid.bare)
        if found is not None:
            return found.affiliation
        domain = self.affiliates.get(JID.parse(jid.domainpart))
        if domain is not None and domain.affiliation is Affiliation.OUTCAST:
            return Affiliation.OUTCAST
        return Affiliation.NONE

    def standing(self, jid: JID) -> tuple[Role, Affiliation]:
        """Return role and affiliation of who acts: admins and owners moderate from outside, too."""
        affiliation = self.affiliation(jid)
        seat = self.occupants.seats.get(jid)
        if seat is not None:
            return seat.occupant.role, affiliation
        return (Role.MODERATOR if affiliation >= Affiliation.ADMIN else Role.NONE), affiliation

    def owners(self) -> list[JID]:
        """Return the owners."""
        return self.affiliated(Affiliation.OWNER)

    def affiliated(self, affiliation: Affiliation) -> list[JID]:
        """Return all who have an affiliation."""
        return [jid for jid, one in self.affiliates.items() if one.affiliation is affiliation]

    def nick_of(self, jid: JID) -> str:
        """Return the nickname that an account has registered, or an empty text."""
        found = self.affiliates.get(jid.bare)
        return "" if found is None else found.nick

    def holder(self, key: str) -> JID | None:
        """Return who has registered the nickname with that key."""
        if self._reserved is None:
            self._reserved = {nick_key(one.nick): jid for jid, one in self.affiliates.items() if one.nick}
        return self._reserved.get(key)

    def affiliate(self, jid: JID, entry: Affiliate) -> None:
        """Note what somebody is to the room; NONE is the absence of a note."""
        old = self.affiliates.get(jid)
        if entry.affiliation is not (Affiliation.NONE if old is None else old.affiliation):
            self.journal.note(jid)
        if old is not None:
            self.listed_bytes -= old.size(jid)
        if entry.affiliation is Affiliation.NONE:
            self.affiliates.pop(jid, None)
        else:
            self.affiliates[jid] = entry
            self.listed_bytes += entry.size(jid)
        self._reserved = None

    # Who is told what.

    def everybody(self) -> tuple[Seat, ...]:
        """Return all clients."""
        return tuple(self.occupants.seats.values())

    def knows_real_jids(self, seat: Seat) -> bool:
        """Tell whether a client sees who is behind the nicknames (§7.2.3, §7.2.4)."""
        return self.config.non_anonymous or seat.occupant.role is Role.MODERATOR

    def knowing(self) -> tuple[Seat, ...]:
        """Return the clients that see real JIDs."""
        return tuple(seat for seat in self.occupants.seats.values() if self.knows_real_jids(seat))

    def is_shown(self, occupant: Occupant) -> bool:
        """Tell whether the presence of one in that role is to be broadcast."""
        if occupant.role not in self.config.presence_broadcast:
            return False
        return occupant.role is Role.MODERATOR or len(self.occupants) <= self.limits.presence_occupants

    def audience(self, occupant: Occupant) -> tuple[Seat, ...]:
        """Return the clients that hear of an occupant's presence."""
        return self.everybody() if occupant.visible else tuple(occupant.seats.values())

    def presented(self, occupant: Occupant, *, actor: str = "", reason: str = "") -> list[Effect]:
        """Show an occupant that has changed; where it is no more, or only now, to be shown, say that instead."""
        was, occupant.visible = occupant.visible, self.is_shown(occupant)
        occupant.touch()
        if was and not occupant.visible:
            away = Portrait(occupant, occupant.main.jid, NOTHING, available=False)
            others = [seat for seat in self.everybody() if seat.occupant is not occupant]
            return [
                Show(away, others),
                Show(occupant.portrait(), tuple(occupant.seats.values()), (), (), actor, reason),
            ]
        return [Show(occupant.portrait(), self.audience(occupant), (), (), actor, reason)]

    # Life and death.

    def vacated(self) -> list[Effect]:
        """Return the end of a room that nobody needs any more."""
        if self.occupants.seats or (self.config.persistent and not self.locked):
            return []
        return [Gone()]

    def key_of(self, occupant: Occupant) -> str:
        """Return the key under which an occupant stands."""
        return nick_key(occupant.nick)
