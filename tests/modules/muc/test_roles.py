"""XEP-0045 §5: the tables of the specification, cell by cell."""

from __future__ import annotations

import itertools

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.modules.muc.roles import (
    AFFILIATIONS,
    ROLES,
    Affiliation,
    Privilege,
    Role,
    check_affiliation_change,
    check_role_change,
    has,
    role_on_entering,
)

#: §5.1.1: None, Visitor, Participant, Moderator; the defaults.
ROLE_TABLE = {
    Privilege.BE_PRESENT: "NYYY",
    Privilege.RECEIVE_MESSAGES: "NYYY",
    Privilege.RECEIVE_PRESENCE: "NYYY",
    Privilege.BROADCAST_PRESENCE: "NYYY",
    Privilege.CHANGE_STATUS: "NYYY",
    Privilege.CHANGE_NICK: "NYYY",
    Privilege.SEND_PRIVATE: "NYYY",
    Privilege.INVITE: "NYYY",
    Privilege.SPEAK: "NNYY",
    Privilege.CHANGE_SUBJECT: "NNNY",
    Privilege.KICK: "NNNY",
    Privilege.GRANT_VOICE: "NNNY",
    Privilege.REVOKE_VOICE: "NNNY",
}
#: §5.2.1: Outcast, None, Member, Admin, Owner.
AFFILIATION_TABLE = {
    Privilege.ENTER_OPEN: "NYYYY",
    Privilege.REGISTER: "NYYYY",
    Privilege.RETRIEVE_MEMBERS: "NNYYY",
    Privilege.ENTER_MEMBERS_ONLY: "NNYYY",
    Privilege.BAN: "NNNYY",
    Privilege.EDIT_MEMBERS: "NNNYY",
    Privilege.ASSIGN_MODERATORS: "NNNYY",
    Privilege.EDIT_ADMINS: "NNNNY",
    Privilege.EDIT_OWNERS: "NNNNY",
    Privilege.CONFIGURE: "NNNNY",
    Privilege.DESTROY: "NNNNY",
}


def test_every_privilege_is_in_one_table() -> None:
    assert set(ROLE_TABLE) | set(AFFILIATION_TABLE) == set(Privilege)


@pytest.mark.parametrize("privilege", ROLE_TABLE, ids=lambda one: one.name)
def test_privileges_of_roles(privilege: Privilege) -> None:
    assert "".join("Y" if has(privilege, role) else "N" for role in Role) == ROLE_TABLE[privilege]


@pytest.mark.parametrize("privilege", AFFILIATION_TABLE, ids=lambda one: one.name)
def test_privileges_of_affiliations(privilege: Privilege) -> None:
    assert "".join("Y" if has(privilege, one) else "N" for one in Affiliation) == AFFILIATION_TABLE[privilege]


def test_roles_on_entering() -> None:
    # §5.1.2: moderated, and any other
    table = {
        Affiliation.OUTCAST: (Role.NONE, Role.NONE),
        Affiliation.NONE: (Role.VISITOR, Role.PARTICIPANT),
        Affiliation.MEMBER: (Role.PARTICIPANT, Role.PARTICIPANT),
        Affiliation.ADMIN: (Role.MODERATOR, Role.MODERATOR),
        Affiliation.OWNER: (Role.MODERATOR, Role.MODERATOR),
    }
    for affiliation, (moderated, unmoderated) in table.items():
        assert role_on_entering(affiliation, moderated=True) is moderated
        assert role_on_entering(affiliation, moderated=False) is unmoderated


def test_names_on_the_wire() -> None:
    assert {name: role.text for name, role in ROLES.items()} == {name: name for name in ROLES}
    assert list(ROLES) == ["none", "visitor", "participant", "moderator"]
    assert list(AFFILIATIONS) == ["outcast", "none", "member", "admin", "owner"]


def verdict(actor: tuple[Role, Affiliation], target: tuple[Role, Affiliation], new: Role) -> Condition | None:
    try:
        check_role_change(actor, target, new)
    except StanzaError as error:
        return error.condition
    return None


PRESENT = (Role.VISITOR, Role.PARTICIPANT, Role.MODERATOR)
STANDING = tuple(one for one in Affiliation if one is not Affiliation.OUTCAST)


@pytest.mark.parametrize("new", Role, ids=lambda role: role.text)
@pytest.mark.parametrize("old", PRESENT, ids=lambda role: role.text)
def test_every_change_of_roles(old: Role, new: Role) -> None:
    """§5.1.3, §8.2-8.5, §9.6-9.8: each rule on its own, over all standings of both sides."""
    for role, affiliation, target in itertools.product(PRESENT, STANDING, STANDING):
        got = verdict((role, affiliation), (old, target), new)
        powerful = affiliation >= Affiliation.ADMIN
        if role is not Role.MODERATOR:
            assert got is Condition.FORBIDDEN
        elif new is old:
            assert got is None
        elif new is Role.NONE:  # §8.2, and the table of §5.1.3
            allowed = target <= affiliation and (old is not Role.MODERATOR or powerful)
            assert got is (None if allowed else Condition.NOT_ALLOWED)
        elif new < old and target >= Affiliation.ADMIN:  # by nobody
            assert got is Condition.NOT_ALLOWED
        elif Role.MODERATOR in (old, new):
            assert got is (None if powerful else Condition.FORBIDDEN)
        elif (old, new) == (Role.PARTICIPANT, Role.VISITOR):  # §8.4
            allowed = target < affiliation or target is Affiliation.NONE
            assert got is (None if allowed else Condition.NOT_ALLOWED)
        else:
            assert (old, new) == (Role.VISITOR, Role.PARTICIPANT)
            assert got is None


def test_one_may_kick_oneself() -> None:
    # §8.2
    me = (Role.MODERATOR, Affiliation.NONE)
    check_role_change(me, me, Role.NONE, own=True)


def affiliation_verdict(actor: Affiliation, old: Affiliation, new: Affiliation, own: bool = False) -> Condition | None:
    try:
        check_affiliation_change(actor, old, new, own=own)
    except StanzaError as error:
        return error.condition
    return None


#: §5.2.2: who makes the change: A admins and owners, O owners alone. Rows are the old affiliation, columns the new one.
AFFILIATION_CHANGES = {
    Affiliation.OUTCAST: "AAAOO",
    Affiliation.NONE: "AAAOO",
    Affiliation.MEMBER: "AAAOO",
    Affiliation.ADMIN: "OOOAO",
    Affiliation.OWNER: "OOOOA",
}


@pytest.mark.parametrize("old", Affiliation, ids=lambda one: one.text)
def test_every_change_of_affiliations(old: Affiliation) -> None:
    for actor, new in itertools.product(Affiliation, Affiliation):
        got = affiliation_verdict(actor, old, new)
        who = AFFILIATION_CHANGES[old][new]
        if actor < Affiliation.ADMIN:
            assert got is Condition.FORBIDDEN
        elif who == "A" or actor is Affiliation.OWNER:
            assert got is None
        else:
            assert got is (Condition.NOT_ALLOWED if new is Affiliation.OUTCAST else Condition.FORBIDDEN)


def test_nobody_bans_themselves() -> None:
    # §9.1
    for actor in (Affiliation.ADMIN, Affiliation.OWNER):
        assert affiliation_verdict(actor, actor, Affiliation.OUTCAST, own=True) is Condition.CONFLICT
