"""XEP-0045 §10.1-10.2: what a new configuration does to a room and to who is in it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Changed, Effect, Notice, Status
from xmpp_server.modules.muc.power import AffiliationChange, apply_affiliations, check_number, check_owners
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.modules.muc.visiting import remove


def configure(
    room: Room,
    config: RoomConfig,
    actor: JID,
    owners: Sequence[JID] | None = None,
    admins: Sequence[JID] | None = None,
) -> list[Effect]:
    """Take a configuration, and unlock a new room; lists that are None stay as they are.

    Raises:
        StanzaError: conflict; no owner would be left. resource-constraint; so many are not remembered. Nothing has
            changed then.

    """
    changes = _lists(room, owners, admins)
    check_owners(room, {change.jid: change.affiliation for change in changes}, actor)
    check_number(room, changes)
    if any(change.jid == actor.bare and change.affiliation is Affiliation.OUTCAST for change in changes):
        raise StanzaError(Condition.CONFLICT, "You cannot ban yourself")
    old, room.config = room.config, config
    room.locked = False
    room.history.trim(config.history)
    effects: list[Effect] = [Changed()]
    if changes:
        effects += apply_affiliations(room, changes, actor)
    if config.members_only and not old.members_only:
        for occupant in tuple(room.occupants):
            if occupant.affiliation < Affiliation.MEMBER:
                effects += remove(room, occupant, (Status.MEMBERS_ONLY_NOW,))
    if config.presence_broadcast != old.presence_broadcast:
        for occupant in tuple(room.occupants):
            if occupant.visible != room.is_shown(occupant):
                effects += room.presented(occupant)
    everybody = room.everybody()
    effects += [Notice((code,), everybody) for code in codes(old, config)]
    return effects + room.vacated()


def codes(old: RoomConfig, new: RoomConfig) -> list[Status]:
    """Return how a change is announced (§10.2.1)."""
    found = []
    if new.logging != old.logging:
        found.append(Status.LOGGING if new.logging else Status.LOGGING_OFF)
    if new.non_anonymous != old.non_anonymous:
        found.append(Status.NOW_NON_ANONYMOUS if new.non_anonymous else Status.NOW_SEMI_ANONYMOUS)
    rest = msgspec.structs.replace(old, logging=new.logging, non_anonymous=new.non_anonymous)
    if rest != new:
        found.append(Status.CONFIGURED)
    return found


def _lists(room: Room, owners: Sequence[JID] | None, admins: Sequence[JID] | None) -> list[AffiliationChange]:
    """Return the changes that make the lists of owners and admins these."""
    wanted: dict[JID, Affiliation] = {}
    for affiliation, jids in ((Affiliation.OWNER, owners), (Affiliation.ADMIN, admins)):
        if jids is None:
            continue
        for jid in room.affiliated(affiliation):
            wanted.setdefault(jid, Affiliation.NONE)
    for affiliation, jids in ((Affiliation.ADMIN, admins), (Affiliation.OWNER, owners)):
        for jid in jids or ():
            wanted[jid.bare] = affiliation
    return [
        AffiliationChange(jid, affiliation)
        for jid, affiliation in wanted.items()
        if room.affiliation(jid) is not affiliation
    ]
