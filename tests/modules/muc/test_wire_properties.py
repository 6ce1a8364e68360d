"""Clients that say anything at random: the service never fails, keeps its rooms in order, and tells nobody's address.

`test_properties` holds the state of one room against a model; here is all that is around it, from the wire on.
"""

from __future__ import annotations

import re

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.muc.conftest import ADMIN, CRONE, ENTRY, INSTANT, ROOM, Coven, make_world
from tests.world import Client
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.roles import Affiliation, Role
from xmpp_server.xml.stanza import Stanza

#: Names that nothing else contains, so that they are found wherever they are told.
PEOPLE = [f"zz{number}" for number in range(4)]
CLIENTS = [f"{name}@example.org/{resource}" for name in PEOPLE for resource in "ab"]
NAME = re.compile(rb"zz\d")
OWNER = "http://jabber.org/protocol/muc#owner"
FORM = (
    f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
    "http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_{}'>{}</field></x></query>"
)
REGISTER = (
    "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
    "<value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'>"
    "<value>{}</value></field></x></query>"
)

people, nicks = st.sampled_from(PEOPLE), st.sampled_from(["one", "ONE", "two", "three"])
flags = ("persistentroom", "membersonly", "moderatedroom", "changesubject", "allowinvites")
values = st.one_of(
    st.tuples(st.sampled_from(flags), st.sampled_from(["<value>1</value>", "<value>0</value>"])),
    st.tuples(
        st.just("presencebroadcast"), st.sampled_from(["", "<value>moderator</value>", "<value>visitor</value>"])
    ),
    st.tuples(
        st.sampled_from(["roomadmins", "roomowners"]),
        people.map(lambda name: f"<value>{name}@example.org</value>"),
    ),
)


def iq(kind: str, payload: str, to: str = ROOM) -> str:
    return f"<iq type='{kind}' id='q' to='{to}'>{payload}</iq>"


affiliations = st.builds(
    "<item affiliation='{}' jid='{}@example.org'{}/>".format,
    st.sampled_from(["owner", "admin", "member", "none", "outcast"]),
    people,
    st.one_of(st.just(""), nicks.map(lambda nick: f" nick='{nick}'")),
)
roles = st.builds("<item role='{}' nick='{}'/>".format, st.sampled_from(["moderator", "visitor", "none"]), nicks)
items = st.one_of(st.lists(affiliations, min_size=1, max_size=3), st.lists(roles, min_size=1, max_size=2))
to_nick = nicks.map(lambda nick: f"{ROOM}/{nick}")
stanzas = st.one_of(
    st.builds(f"<presence to='{{}}'>{ENTRY}</presence>".format, to_nick),
    st.builds("<presence to='{}'{}/>".format, to_nick, st.sampled_from(["", " type='unavailable'", " type='probe'"])),
    st.just(f"<message type='groupchat' to='{ROOM}'><body>hi</body></message>"),
    st.just(f"<message type='groupchat' to='{ROOM}'><subject>hi</subject></message>"),
    st.builds("<message type='chat' to='{}'><body>psst</body></message>".format, to_nick),
    st.builds("<message type='error' id='m' to='{}'/>".format, to_nick),
    st.just(iq("set", INSTANT)),
    values.map(lambda value: iq("set", FORM.format(*value))),
    items.map(lambda found: iq("set", f"<query xmlns='{ADMIN}'>{''.join(found)}</query>")),
    nicks.map(lambda nick: iq("set", REGISTER.format(nick))),
    st.just(iq("set", "<query xmlns='jabber:iq:register'><remove/></query>")),
    st.just(iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")),
    st.just(iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>")),
    st.builds(lambda to: iq("get", "<ping xmlns='urn:xmpp:ping'/>", to), to_nick),
    st.sampled_from(["member", "owner", "outcast"]).map(
        lambda kind: iq("get", f"<query xmlns='{ADMIN}'><item affiliation='{kind}'/></query>")
    ),
)
#: None: the client goes, and comes back. The owner speaks more often than others.
steps = st.lists(
    st.tuples(st.sampled_from([*CLIENTS, *[CRONE] * 4]), st.one_of(st.none(), stanzas, stanzas, stanzas)), max_size=60
)


def in_order(muc: Muc) -> None:
    """Check what must hold of each room after each step."""
    for open_ in muc.rooms.open_rooms():
        room = open_.room
        for key, occupant in room.occupants.by_nick.items():
            assert room.key_of(occupant) == key
            assert occupant.main.jid in occupant.seats
            assert occupant.affiliation is room.affiliation(occupant.bare) is not Affiliation.OUTCAST
            assert occupant.role is not Role.NONE
            assert occupant.role is Role.MODERATOR or occupant.affiliation < Affiliation.ADMIN
            assert occupant.affiliation >= Affiliation.MEMBER or not room.config.members_only
        for jid, seat in room.occupants.seats.items():
            assert seat.session is muc.service.find_session(jid) is not None
        assert room.owners()
        taken = [one.nick.casefold() for one in room.affiliates.values() if one.nick]
        assert len(taken) == len(set(taken))
        assert room.occupants.seats or room.config.persistent


class Trusted:
    """Who may know addresses in a room that is semi-anonymous: whoever has ever moderated it."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def look(self, muc: Muc) -> None:
        for open_ in muc.rooms.open_rooms():
            room = open_.room
            self._names |= {one.bare.localpart or "" for one in room.occupants if one.role is Role.MODERATOR}
            self._names |= {jid.localpart or "" for jid, one in room.affiliates.items() if one.affiliation >= 3}

    def check(self, client: Client, said: str) -> None:
        own = client.jid.localpart or ""
        for stanza in client.hears_stanzas():
            if own not in self._names and _is_from_room(stanza):
                told = {name.decode() for name in NAME.findall(stanza.raw)} - {own}
                assert all(name in said for name in told), stanza.raw


def _is_from_room(stanza: Stanza) -> bool:
    """Tell whether a room has written this; by an invitation an admin is known to whom it is for (§7.8.2)."""
    return stanza.attrs.get("from", "").startswith(ROOM) and b"<invite " not in stanza.raw


@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_anything(steps: list[tuple[str, str | None]]) -> None:
    coven = Coven(make_world())
    trusted = Trusted()
    with structlog.testing.capture_logs() as logs:
        coven.founded()
        for jid, said in [(PEOPLE[0] + "@example.org/a", f"<presence to='{ROOM}/one'>{ENTRY}</presence>"), *steps]:
            client = coven.client(jid)
            if said is None:
                client.leaves()
                client = coven.world.online(jid)
            else:
                client.says(said)
            in_order(coven.muc)
            trusted.look(coven.muc)
            for one in tuple(coven.world.clients.values()):
                trusted.check(one, said if one is client and said else "")
    assert not [entry for entry in logs if entry["log_level"] == "error"]
