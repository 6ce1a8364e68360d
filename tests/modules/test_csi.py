"""XEP-0352: what waits for an inactive client, what does not, and that nothing is lost or out of order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.core import persistence
from xmpp_server.jid import JID
from xmpp_server.modules.csi import ClientState, CsiConfig, holding
from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

ROMEO, JULIET = "romeo@example.org", "juliet@example.org"
INACTIVE, ACTIVE = "<inactive xmlns='urn:xmpp:csi:0'/>", "<active xmlns='urn:xmpp:csi:0'/>"
COMPOSING = f"<message to='{JULIET}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
PAUSED = f"<message to='{JULIET}' type='chat'><paused xmlns='http://jabber.org/protocol/chatstates'/></message>"
HI = f"<message to='{JULIET}' type='chat' id='hi'><body>hi</body></message>"
Played = Callable[..., World]


def stanza(xml: str) -> Stanza:
    return Stanza.build(parse(xml.encode()), JID.parse(f"{ROMEO}/orchard"), JID.parse(f"{JULIET}/phone"))


@pytest.fixture
def world() -> World:
    world = World("example.org", modules=(*IM, ClientState))
    world.befriend(JULIET, ROMEO)
    return world


@pytest.fixture
def romeo(world: World) -> Client:
    return world.online(f"{ROMEO}/orchard")


@pytest.fixture
def juliet(world: World, romeo: Client) -> Client:
    """Juliet's phone, which is in her pocket."""
    juliet = world.online(f"{JULIET}/phone")
    juliet.says(INACTIVE)
    romeo.hears()
    return juliet


def names(elements: list[Element]) -> list[str]:
    return [element.first.name if element.first is not None else element.name for element in elements]


def test_presence_waits_and_a_message_brings_it_along(played: Played) -> None:
    played(
        """
        juliet@example.org/phone connects
        juliet@example.org/phone > <presence/>
        romeo@example.org/orchard connects
        romeo@example.org/orchard > <presence/>
        juliet@example.org/phone < anything
        romeo@example.org/orchard < anything
        juliet@example.org/phone > <inactive xmlns='urn:xmpp:csi:0'/>
        romeo@example.org/orchard > <presence><show>away</show></presence>
        romeo@example.org/orchard > <presence><show>dnd</show></presence>
        romeo@example.org/orchard < anything
        juliet@example.org/phone < nothing
        romeo@example.org/orchard > <message to='juliet@example.org'><body>hi</body></message>
        juliet@example.org/phone < <presence from='romeo@example.org/orchard' to='juliet@example.org'>
                <show>dnd</show></presence>
        juliet@example.org/phone < <message from='romeo@example.org/orchard' to='juliet@example.org'>
                <body>hi</body></message>
        # still inactive
        romeo@example.org/orchard > <presence/>
        romeo@example.org/orchard < anything
        juliet@example.org/phone < nothing
        juliet@example.org/phone > <active xmlns='urn:xmpp:csi:0'/>
        juliet@example.org/phone < <presence from='romeo@example.org/orchard' to='juliet@example.org'/>
        romeo@example.org/orchard > <presence><show>xa</show></presence>
        romeo@example.org/orchard < anything
        juliet@example.org/phone < <presence from='romeo@example.org/orchard' to='juliet@example.org'>
                <show>xa</show></presence>
        """,
        ClientState,
        befriended=[(JULIET, ROMEO)],
    )


def test_active_is_done_before_what_follows(juliet: Client, romeo: Client) -> None:
    # §5.1: first what was held, then the answer
    romeo.says("<presence><show>away</show></presence>")
    juliet.says(ACTIVE + "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
    assert [element.name for element in juliet.hears()] == ["presence", "iq"]


def test_of_chat_states_only_the_latest_counts(juliet: Client, romeo: Client) -> None:
    romeo.says(COMPOSING, PAUSED, COMPOSING, PAUSED)
    assert not juliet.hears()
    romeo.says(HI)
    assert names(juliet.hears()) == ["paused", "body"]


def test_a_repeated_indication_changes_nothing(juliet: Client, romeo: Client) -> None:
    romeo.says(PAUSED)
    juliet.says(INACTIVE)
    assert not juliet.hears()
    juliet.says(ACTIVE, ACTIVE)
    assert names(juliet.hears()) == ["paused"]


def test_the_state_is_nobody_elses_business(juliet: Client, romeo: Client) -> None:
    juliet.says(ACTIVE, INACTIVE)
    assert not romeo.hears()


def test_no_more_than_so_much_waits(world: World) -> None:
    world = World("example.org", modules=(*IM, lambda: ClientState(CsiConfig(held_stanzas=3))))
    juliet = world.online(f"{JULIET}/phone")
    juliet.says(INACTIVE)
    room = world.remote("rooms.example.net")
    for nick in "abc":
        room.says(f"<presence from='inn@rooms.example.net/{nick}' to='{juliet.jid}'/>")
    assert not juliet.hears()
    room.says(f"<presence from='inn@rooms.example.net/d' to='{juliet.jid}'/>")
    assert [element.get("from", "")[-1:] for element in juliet.hears()] == list("abcd")


def test_no_more_than_so_many_bytes_wait(world: World) -> None:
    world = World("example.org", modules=(*IM, lambda: ClientState(CsiConfig(held_bytes=20_000))))
    juliet = world.online(f"{JULIET}/phone")
    juliet.says(INACTIVE)
    room = world.remote("rooms.example.net")
    status = "x" * 9000
    for nick in "aabb":  # the second of each takes the place of the first
        room.says(
            f"<presence from='inn@rooms.example.net/{nick}' to='{juliet.jid}'><status>{status}</status></presence>"
        )
    assert not juliet.hears()
    room.says(f"<presence from='inn@rooms.example.net/c' to='{juliet.jid}'><status>{status}</status></presence>")
    assert [element.get("from", "")[-1:] for element in juliet.hears()] == list("abc")
    room.says(f"<presence from='inn@rooms.example.net/d' to='{juliet.jid}'/>")
    assert not juliet.hears()


def test_a_lost_connection_loses_nothing(world: World, juliet: Client, romeo: Client) -> None:
    world.host.sessions.manage(juliet.session, resume=True, max_s=None)
    romeo.says("<presence><show>away</show></presence>")
    juliet.drops()
    romeo.says(PAUSED, "<presence><show>dnd</show></presence>", "<presence><show>xa</show></presence>")
    juliet.resumes()
    heard = [element for element in juliet.hears() if element.ns == "jabber:client"]
    assert [element.find("show", "jabber:client") is not None for element in heard] == [True, False, True]
    assert heard[-1].find("show", "jabber:client") == Element("show", "jabber:client", text="xa")
    # §5.2: a resumed stream is active
    romeo.says("<presence/>")
    assert [element.name for element in juliet.hears()] == ["presence"]


def test_what_waits_survives_a_restart(world: World, juliet: Client, romeo: Client) -> None:
    world.host.sessions.manage(juliet.session, resume=True, max_s=None)
    romeo.says("<presence><show>away</show></presence>", PAUSED)
    juliet.session.suspend()
    saved = persistence.save(juliet.session)
    later = World("example.org", modules=(*IM, ClientState))
    later.create(JULIET)
    assert later.run(persistence.restore(later.host, saved))
    account = later.host.accounts.get("juliet")
    assert account is not None
    session = account.sessions["phone"]
    assert session.sm is not None
    held = len(session.sm.queue)
    later.online(f"{ROMEO}/orchard").says(HI)
    assert [sent.stanza.name for sent in session.sm.queue][held:] == ["presence", "message", "message"]


def test_the_end_of_a_session_loses_no_message(world: World, juliet: Client, romeo: Client) -> None:
    romeo.says(PAUSED)
    juliet.leaves()
    assert juliet.transport.closed


def test_the_feature(world: World) -> None:
    features: list[Element] = []
    world.host.hooks.stream_features.gather(features)
    assert "urn:xmpp:csi:0 csi" in [feature.tag for feature in features]


SENT = "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{}</forwarded></sent>"
RECEIVED = "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{}</forwarded></received>"
STATE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"
CHAT_STATE = f"<message xmlns='jabber:client' type='chat'>{STATE}</message>"
MARKED = f"<message xmlns='jabber:client'>{MARKER}</message>"
SAID = "<message xmlns='jabber:client'><body>hi</body></message>"
EVENT = "<event xmlns='http://jabber.org/protocol/pubsub#event'/>"


@pytest.mark.parametrize(
    ("xml", "held"),
    [
        ("<presence/>", True),
        ("<presence type='unavailable'/>", True),
        ("<presence type='subscribe'/>", False),
        ("<presence type='subscribed'/>", False),
        ("<presence type='error'/>", False),
        ("<presence><x xmlns='http://jabber.org/protocol/muc#user'><item/></x></presence>", True),
        ("<presence><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>", False),
        ("<iq type='get' id='1'/>", False),
        ("<message><body>hi</body></message>", False),
        ("<message type='groupchat'><body>hi</body></message>", False),
        ("<message type='groupchat'><subject>all</subject></message>", False),
        ("<message/>", False),
        (f"<message type='chat'>{STATE}<no-store xmlns='urn:xmpp:hints'/><thread>1</thread></message>", True),
        (f"<message type='error'>{STATE}</message>", False),
        (f"<message type='chat'>{STATE}<body>hi</body></message>", False),
        (f"<message type='headline'>{EVENT}</message>", True),
        (f"<message>{EVENT}</message>", False),
        ("<message><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>", False),
        ("<message><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>", False),
        ("<message type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>", False),
        (f"<message type='groupchat'>{MARKER}</message>", True),
        (f"<message>{RECEIVED.format(CHAT_STATE)}</message>", True),
        (f"<message>{RECEIVED.format(MARKED)}</message>", True),
        (f"<message>{SENT.format(MARKED)}</message>", False),
        (f"<message>{SENT.format(CHAT_STATE)}</message>", True),
        (f"<message>{SENT.format(SAID)}</message>", False),
        ("<message><received xmlns='urn:xmpp:carbons:2'/></message>", False),
    ],
)
def test_the_policy(xml: str, held: bool) -> None:
    assert holding(stanza(xml))[0] is held


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["presence", "state", "body", "active", "inactive"]), max_size=12))
def test_all_that_is_not_superseded_arrives_in_order(script: list[str]) -> None:
    world = World("example.org", modules=(*IM, ClientState))
    juliet = world.online(f"{JULIET}/phone")
    peer = world.remote("example.net")
    for number, step in enumerate(script):
        head = f"from='a@example.net/{number % 3}' to='{juliet.jid}' id='{number}'"
        if step == "presence":
            peer.says(f"<presence {head}/>")
        elif step == "state":
            peer.says(f"<message {head} type='chat'>{STATE}</message>")
        elif step == "body":
            peer.says(f"<message {head}><body>{number}</body></message>")
        else:
            juliet.says(f"<{step} xmlns='urn:xmpp:csi:0'/>")
    juliet.says(ACTIVE)
    heard = [int(element.get("id") or "") for element in juliet.hears()]
    assert heard == sorted(heard)
    assert [number for number in heard if script[number] == "body"] == [
        number for number, step in enumerate(script) if step == "body"
    ]
    for sender in range(3):
        sent = [number for number, step in enumerate(script) if step == "presence" and number % 3 == sender]
        assert not sent or sent[-1] in heard
