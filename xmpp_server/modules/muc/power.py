"""XEP-0045 §8-10: changes of roles and affiliations, one or many at once; all are checked before any is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import AffiliationNotice, Changed, Effect, Invitation, Letter, Show, Status
from xmpp_server.modules.muc.nicks import check_nick
from xmpp_server.modules.muc.occupants import Occupant
from xmpp_server.modules.muc.roles import Affiliation, Role, check_affiliation_change, check_role_change
from xmpp_server.modules.muc.room import Affiliate, Room
from xmpp_server.modules.muc.visiting import remove

#: Who is that, has no nickname registered.
NAMELESS = (Affiliation.NONE, Affiliation.OUTCAST)


@dataclass(frozen=True, slots=True)
class RoleChange:
    """Make an occupant something else for this visit; NONE ends it (a kick)."""

    occupant: Occupant
    role: Role
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AffiliationChange:
    """Make an account something else to the room; `nick` is None where the registered one stays."""

    jid: JID
    affiliation: Affiliation
    nick: str | None = None
    reason: str = ""


def change_roles(room: Room, actor: JID, changes: Sequence[RoleChange]) -> list[Effect]:
    """Change roles.

    Raises:
        StanzaError: As `check_role_change`, for any of them; nothing has changed then.

    """
    standing = room.standing(actor)
    for change in changes:
        occupant = change.occupant
        own = actor in occupant.seats
        check_role_change(standing, (occupant.role, occupant.affiliation), change.role, own=own)
    nick = _nick(room, actor)
    effects: list[Effect] = []
    for change in changes:
        occupant = change.occupant
        if not occupant.seats or room.occupants.by_nick.get(room.key_of(occupant)) is not occupant:
            continue  # put out by an item before
        if change.role is Role.NONE:
            effects += remove(room, occupant, (Status.KICKED,), nick, change.reason)
        else:
            occupant.role = change.role
            effects += room.presented(occupant, reason=change.reason)
    return effects + room.vacated()


def change_affiliations(room: Room, actor: JID, changes: Sequence[AffiliationChange]) -> list[Effect]:
    """Change affiliations, as somebody asks for it.

    Raises:
        StanzaError: As `check_affiliation_change`, for any of them; conflict also where no owner would be left, or
            a nickname is another's. Nothing has changed then.

    """
    _, standing = room.standing(actor)
    for change in changes:
        old = room.affiliation(change.jid)
        check_affiliation_change(standing, old, change.affiliation, own=change.jid == actor.bare)
    check_nicks(room, changes)
    check_owners(room, {change.jid: change.affiliation for change in changes}, actor)
    check_number(room, changes)
    return apply_affiliations(room, changes, actor)


def check_number(room: Room, changes: Sequence[AffiliationChange]) -> None:
    """Check that the room can remember who is new to it, and what is to be noted of them."""
    new = [one for one in changes if one.affiliation is not Affiliation.NONE and one.jid not in room.affiliates]
    if new and len(room.affiliates) + len(new) > room.limits.affiliations:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"A room knows at most {room.limits.affiliations} people")
    growth = sum(_growth(room, one) for one in changes)
    if growth > 0 and room.listed_bytes + growth > room.limits.affiliation_bytes:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The lists of this room are full", echo=False)


def _growth(room: Room, change: AffiliationChange) -> int:
    old = room.affiliates.get(change.jid)
    size = 0 if old is None else -old.size(change.jid)
    if change.affiliation is not Affiliation.NONE:
        size += _noted(room, change).size(change.jid)
    return size


def _noted(room: Room, change: AffiliationChange) -> Affiliate:
    """Return what a change leaves noted."""
    nick = room.nick_of(change.jid) if change.nick is None else change.nick
    if change.affiliation is Affiliation.OUTCAST:
        return Affiliate(change.affiliation, "", change.reason)  # §9.1
    return Affiliate(change.affiliation, nick)


def check_nicks(room: Room, changes: Sequence[AffiliationChange]) -> None:
    """Check that nicknames to be registered are free, or become so, and wanted once."""
    given_up = {one.jid for one in changes if one.nick is not None or one.affiliation in NAMELESS}
    taken: dict[str, JID] = {}
    for change in changes:
        if change.nick:
            key = check_nick(change.nick, room.limits.nick_chars)
            holder = room.holder(key)
            if holder is not None and holder not in given_up:
                raise StanzaError(Condition.CONFLICT, "This nickname is somebody else's")
            if taken.setdefault(key, change.jid) != change.jid:
                raise StanzaError(Condition.CONFLICT, "Two people cannot have one nickname")


def check_owners(room: Room, changes: Mapping[JID, Affiliation], actor: JID) -> None:
    """Check that there is an owner afterwards (§10.2, §10.4).

    A domain as such may own a room, if it is a component's. Nobody acts for one that is not, so the last account may
    leave a room to a domain only if that has asked for it.
    """
    owners = set(room.owners())
    if not any(owner in changes for owner in owners):
        return
    left = {one for one in owners if one not in changes}
    left |= {one for one, affiliation in changes.items() if affiliation is Affiliation.OWNER}
    if not any(one.localpart is not None or one == actor.bare for one in left):
        raise StanzaError(Condition.CONFLICT, "A room has an owner")


def apply_affiliations(room: Room, changes: Sequence[AffiliationChange], actor: JID) -> list[Effect]:
    """Make changes that were checked."""
    effects: list[Effect] = [Changed()]
    nick = _nick(room, actor)
    for change in changes:
        old = room.affiliation(change.jid)
        new = change.affiliation
        before = room.journal.version
        room.affiliate(change.jid, _noted(room, change))
        present = _affected(room, change.jid)
        told: list[Effect] = []
        for occupant in present:
            told += _changed(room, occupant, new, nick, change.reason)
        if old is not new and not present:
            told += _told(room, change, old, actor)
        effects += told if old is new else [_versioned(effect, before, room.journal.version) for effect in told]
    return effects + room.vacated()


def _versioned(effect: Effect, before: str, after: str) -> Effect:
    """Tell with a change which versions of the list are before and behind it (XEP-0463 §5.2.2)."""
    if isinstance(effect, Show | AffiliationNotice):
        return replace(effect, versions=(before, after))
    return effect


def _affected(room: Room, jid: JID) -> list[Occupant]:
    if jid.localpart is not None:
        return room.occupants.of(jid)
    return [
        occupant
        for occupant in room.occupants
        if occupant.bare == jid or (occupant.bare.domainpart == jid and occupant.bare not in room.affiliates)
    ]


def _changed(room: Room, occupant: Occupant, new: Affiliation, actor: str, reason: str) -> list[Effect]:
    """Let an occupant feel its new affiliation."""
    if occupant.bare.localpart is not None:  # the ban of a domain leaves those who are listed, and superiors
        new = room.affiliation(occupant.bare)
    old, occupant.affiliation = occupant.affiliation, new
    if new is Affiliation.OUTCAST:
        return remove(room, occupant, (Status.BANNED,), actor, reason)
    if room.config.members_only and new < Affiliation.MEMBER:
        return remove(room, occupant, (Status.AFFILIATION_LOST,), actor, reason)
    occupant.role = role_after(room, occupant.role, old, new)
    return room.presented(occupant, reason=reason)


def role_after(room: Room, role: Role, old: Affiliation, new: Affiliation) -> Role:
    """Return the role of an occupant whose affiliation changes (§5.1.3, note): what is lost is up to us."""
    default = room.config.default_role(new)
    if new >= old:
        return max(role, default)
    return default if old >= Affiliation.ADMIN else role


def _told(room: Room, change: AffiliationChange, old: Affiliation, actor: JID) -> list[Effect]:
    """Tell of somebody who is not there: those who know real JIDs (§10.3), and them (§9.5, §16.6.2)."""
    effects: list[Effect] = [AffiliationNotice(change.jid, change.affiliation, room.knowing())]
    if change.jid.localpart is None:
        return effects
    if room.config.members_only and old is Affiliation.NONE and change.affiliation >= Affiliation.MEMBER:
        effects.append(Invitation(change.jid, actor.bare, change.reason))
    elif room.config.notify_affiliation:
        effects.append(Letter(change.jid, change.affiliation))
    return effects


def _nick(room: Room, actor: JID) -> str:
    seat = room.occupants.seats.get(actor)
    return "" if seat is None else seat.occupant.nick
