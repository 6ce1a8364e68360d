"""Occupants acting at random leave a room as a simple model says, and everybody sees what the model says."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from xmpp_server.errors import StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc import configuring, entering, power, visiting
from xmpp_server.modules.muc.effects import Effect, Gone, Show
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import NOTHING
from xmpp_server.modules.muc.roles import Affiliation, Role
from xmpp_server.modules.muc.room import Room, RoomLimits
from xmpp_server.modules.muc.settings import RoomConfig

PEOPLE = [JID.parse(f"user{number}@example.org") for number in range(4)]
CLIENTS = [person.with_resource(resource) for person in PEOPLE for resource in ("a", "b")]
NICKS = ["one", "ONE", "two", "three"]
clients, people, nicks = st.sampled_from(CLIENTS), st.sampled_from(PEOPLE), st.sampled_from(NICKS)


@dataclass
class Sight:
    """What one client believes to see: nickname -> (role, affiliation)."""

    inside: bool = False
    others: dict[str, tuple[Role, Affiliation]] = field(default_factory=dict)


class Coven(RuleBasedStateMachine):
    """A room, and what its clients see by the effects alone."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(JID.parse("coven@chat.example.org"), RoomConfig(persistent=True), RoomLimits(occupants=5))
        entering.found(self.room, PEOPLE[0])
        self.room.locked = False
        self.sights = {client: Sight() for client in CLIENTS}

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert not isinstance(effect, Gone)  # it is persistent
            if not isinstance(effect, Show):
                continue
            portrait = effect.portrait
            for seat in effect.to:
                sight = self.sights[seat.jid]
                own = seat.occupant is portrait.occupant
                if portrait.available:
                    assert own or sight.inside or portrait.nick not in sight.others
                    sight.others[portrait.nick] = portrait.role, portrait.affiliation
                    sight.inside = sight.inside or own
                elif own and not effect.new_nick:
                    self.sights[seat.jid] = Sight()
                else:
                    assert own or portrait.nick in sight.others, (seat, portrait.nick)
                    sight.others.pop(portrait.nick, None)

    def attempt(self, action: object, *args: object) -> None:
        before = self.snapshot()
        try:
            effects = action(*args)  # type: ignore[operator]
        except StanzaError:
            assert self.snapshot() == before  # who is refused has changed nothing
            return
        self.take(effects)

    def snapshot(self) -> object:
        present = {
            key: (one.nick, one.role, one.affiliation, list(one.seats))
            for key, one in self.room.occupants.by_nick.items()
        }
        return present, dict(self.room.affiliates), self.room.config

    @rule(client=clients, nick=nicks)
    def enter(self, client: JID, nick: str) -> None:
        self.attempt(entering.enter, self.room, entering.Entry(client, nick, "id"))

    @rule(client=clients)
    def leave(self, client: JID) -> None:
        self.attempt(visiting.leave, self.room, client)

    @rule(client=clients, nick=nicks)
    def change_nick(self, client: JID, nick: str) -> None:
        seat = self.room.occupants.seats.get(client)
        if seat is not None:
            self.attempt(visiting.change_nick, self.room, seat, nick, NOTHING)

    @rule(actor=clients, nick=nicks, role=st.sampled_from(Role))
    def change_role(self, actor: JID, nick: str, role: Role) -> None:
        occupant = self.room.occupants.by_nick.get(nick_key(nick))
        if occupant is not None:
            self.attempt(power.change_roles, self.room, actor, (power.RoleChange(occupant, role),))

    @rule(actor=clients, whom=people, affiliation=st.sampled_from(Affiliation), other=people)
    def change_affiliation(self, actor: JID, whom: JID, affiliation: Affiliation, other: JID) -> None:
        changes = [power.AffiliationChange(jid, affiliation) for jid in {whom, other}]
        self.attempt(power.change_affiliations, self.room, actor, changes)

    @rule(
        members_only=st.booleans(),
        moderated=st.booleans(),
        broadcast=st.sets(st.sampled_from((Role.MODERATOR, Role.PARTICIPANT, Role.VISITOR))),
    )
    def configure(self, members_only: bool, moderated: bool, broadcast: set[Role]) -> None:
        config = RoomConfig(
            persistent=True, members_only=members_only, moderated=moderated, presence_broadcast=tuple(broadcast)
        )
        self.attempt(configuring.configure, self.room, config, self.room.owners()[0])

    @invariant()
    def has_an_owner(self) -> None:
        assert self.room.owners()

    @invariant()
    def is_consistent(self) -> None:
        room = self.room
        for key, occupant in room.occupants.by_nick.items():
            assert key == nick_key(occupant.nick)
            assert occupant.seats
            assert occupant.main in occupant.seats.values()
            assert occupant.affiliation is room.affiliation(occupant.bare)
            assert occupant.affiliation is not Affiliation.OUTCAST
            assert occupant.role is not Role.NONE
            assert occupant.visible == room.is_shown(occupant)
            assert not (room.config.members_only and occupant.affiliation < Affiliation.MEMBER)
            assert occupant.affiliation < Affiliation.ADMIN or occupant.role is Role.MODERATOR
            for seat in occupant.seats.values():
                assert seat.occupant is occupant
                assert seat.jid.bare == occupant.bare
                assert room.occupants.seats[seat.jid] is seat
        assert sum(len(one.seats) for one in room.occupants) == len(room.occupants.seats)

    @invariant()
    def everybody_sees_what_is(self) -> None:
        for client, sight in self.sights.items():
            seat = self.room.occupants.seats.get(client)
            assert sight.inside == (seat is not None)
            if seat is not None:
                expected = {
                    one.nick: (one.role, one.affiliation)
                    for one in self.room.occupants
                    if one.visible or one is seat.occupant
                }
                assert sight.others == expected


TestRoom = Coven.TestCase
TestRoom.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
