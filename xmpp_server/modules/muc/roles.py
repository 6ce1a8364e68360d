"""XEP-0045 §5: roles, affiliations and what they allow, as the tables of the specification."""

from __future__ import annotations

from enum import IntEnum

from xmpp_server.errors import Condition, StanzaError


class Role(IntEnum):
    """What somebody is during a visit (§5.1), in the order of power."""

    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3

    @property
    def text(self) -> str:
        """The name on the wire."""
        return self.name.lower()


class Affiliation(IntEnum):
    """What somebody is to the room for good (§5.2), in the order of power."""

    OUTCAST = 0
    NONE = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4

    @property
    def text(self) -> str:
        """The name on the wire."""
        return self.name.lower()


ROLES = {role.text: role for role in Role}
AFFILIATIONS = {affiliation.text: affiliation for affiliation in Affiliation}


class Privilege(IntEnum):
    """What a role or an affiliation may allow."""

    BE_PRESENT = 0
    RECEIVE_MESSAGES = 1
    RECEIVE_PRESENCE = 2
    BROADCAST_PRESENCE = 3
    CHANGE_STATUS = 4
    CHANGE_NICK = 5
    SEND_PRIVATE = 6
    INVITE = 7
    SPEAK = 8
    CHANGE_SUBJECT = 9
    KICK = 10
    GRANT_VOICE = 11
    REVOKE_VOICE = 12
    ENTER_OPEN = 20
    REGISTER = 21
    RETRIEVE_MEMBERS = 22
    ENTER_MEMBERS_ONLY = 23
    BAN = 24
    EDIT_MEMBERS = 25
    ASSIGN_MODERATORS = 26
    EDIT_ADMINS = 27
    EDIT_OWNERS = 28
    CONFIGURE = 29
    DESTROY = 30


#: §5.1.1: the least role that has a privilege; configuration changes what the table there marks with a star.
BY_ROLE = {
    Privilege.BE_PRESENT: Role.VISITOR,
    Privilege.RECEIVE_MESSAGES: Role.VISITOR,
    Privilege.RECEIVE_PRESENCE: Role.VISITOR,
    Privilege.BROADCAST_PRESENCE: Role.VISITOR,
    Privilege.CHANGE_STATUS: Role.VISITOR,
    Privilege.CHANGE_NICK: Role.VISITOR,
    Privilege.SEND_PRIVATE: Role.VISITOR,
    Privilege.INVITE: Role.VISITOR,
    Privilege.SPEAK: Role.PARTICIPANT,
    Privilege.CHANGE_SUBJECT: Role.MODERATOR,
    Privilege.KICK: Role.MODERATOR,
    Privilege.GRANT_VOICE: Role.MODERATOR,
    Privilege.REVOKE_VOICE: Role.MODERATOR,
}

#: §5.2.1: the least affiliation that has a privilege; REGISTER is for those who have none.
BY_AFFILIATION = {
    Privilege.ENTER_OPEN: Affiliation.NONE,
    Privilege.REGISTER: Affiliation.NONE,
    Privilege.RETRIEVE_MEMBERS: Affiliation.MEMBER,
    Privilege.ENTER_MEMBERS_ONLY: Affiliation.MEMBER,
    Privilege.BAN: Affiliation.ADMIN,
    Privilege.EDIT_MEMBERS: Affiliation.ADMIN,
    Privilege.ASSIGN_MODERATORS: Affiliation.ADMIN,
    Privilege.EDIT_ADMINS: Affiliation.OWNER,
    Privilege.EDIT_OWNERS: Affiliation.OWNER,
    Privilege.CONFIGURE: Affiliation.OWNER,
    Privilege.DESTROY: Affiliation.OWNER,
}

#: §5.1.2: the role on entering, by affiliation: in a moderated room, and in any other.
ON_ENTERING = {
    Affiliation.OUTCAST: (Role.NONE, Role.NONE),
    Affiliation.NONE: (Role.VISITOR, Role.PARTICIPANT),
    Affiliation.MEMBER: (Role.PARTICIPANT, Role.PARTICIPANT),
    Affiliation.ADMIN: (Role.MODERATOR, Role.MODERATOR),
    Affiliation.OWNER: (Role.MODERATOR, Role.MODERATOR),
}


def has(privilege: Privilege, holder: Role | Affiliation) -> bool:
    """Look a privilege up."""
    if isinstance(holder, Role):
        return holder >= BY_ROLE[privilege]
    return holder >= BY_AFFILIATION[privilege]


def role_on_entering(affiliation: Affiliation, *, moderated: bool) -> Role:
    """Return the role with which somebody enters."""
    return ON_ENTERING[affiliation][0 if moderated else 1]


def check_role_change(
    actor: tuple[Role, Affiliation], target: tuple[Role, Affiliation], new: Role, *, own: bool = False
) -> None:
    """Check a change of role (§5.1.3, §8.2-8.5, §9.6-9.8); `own` if it is the actor's own role.

    Raises:
        StanzaError: forbidden; the actor has not the standing for changes of this kind. not-allowed; not for this
            target.

    """
    role, affiliation = actor
    old, target_affiliation = target
    if role < Role.MODERATOR:
        raise StanzaError(Condition.FORBIDDEN, "Moderators do this")
    if new is old:
        return
    if new is Role.NONE:
        if own:
            return  # §8.2: not unusual as an apology
        if target_affiliation > affiliation:
            raise StanzaError(Condition.NOT_ALLOWED, "Their affiliation is higher than yours")
        if old is Role.MODERATOR and not has(Privilege.ASSIGN_MODERATORS, affiliation):
            raise StanzaError(Condition.NOT_ALLOWED, "Only admins kick moderators")
        return
    if new < old and target_affiliation >= Affiliation.ADMIN:  # §8.4, §9.7: by nobody
        raise StanzaError(Condition.NOT_ALLOWED, "Admins and owners are always moderators")
    if Role.MODERATOR in (old, new) and not has(Privilege.ASSIGN_MODERATORS, affiliation):
        raise StanzaError(Condition.FORBIDDEN, "Only admins make moderators, and unmake them")
    if old is Role.PARTICIPANT and new is Role.VISITOR and affiliation <= target_affiliation != Affiliation.NONE:
        # §8.4; that two who have no affiliation are at one level would leave mere moderators nobody to moderate
        raise StanzaError(Condition.NOT_ALLOWED, "Their affiliation is not lower than yours")


def check_affiliation_change(actor: Affiliation, old: Affiliation, new: Affiliation, *, own: bool = False) -> None:
    """Check a change of affiliation (§5.2.2, §9.1-9.5, §10.3-10.8); `own` if it is the actor's own.

    That the last owner stays is looked after elsewhere: it takes the whole list.

    Raises:
        StanzaError: forbidden; the actor has not the standing for changes of this list. not-allowed; the target stands
            higher. conflict; nobody bans themselves.

    """
    if not has(Privilege.EDIT_MEMBERS, actor):
        raise StanzaError(Condition.FORBIDDEN, "Admins and owners do this")
    if new is Affiliation.OUTCAST:
        if own:
            raise StanzaError(Condition.CONFLICT, "You cannot ban yourself")
        if old >= Affiliation.ADMIN and actor is not Affiliation.OWNER:
            raise StanzaError(Condition.NOT_ALLOWED, "Only owners ban admins and owners")
        return
    if max(old, new) >= Affiliation.ADMIN and new is not old and not has(Privilege.EDIT_ADMINS, actor):
        raise StanzaError(Condition.FORBIDDEN, "Owners do this")
