"""XEP-0280: what is copied, to whom, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import IM
from tests.world import Client, World
from xmpp_server.core import persistence
from xmpp_server.jid import JID
from xmpp_server.modules.carbons import Carbons, eligible
from xmpp_server.xml.namespaces import CARBONS
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Played = Callable[..., World]
ENABLE = f"<enable xmlns='{CARBONS}'/>"
HI = "<message to='juliet@example.org/balcony' type='chat'><body>hi</body></message>"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, Carbons))


@pytest.fixture
def phone(world: World) -> Client:
    """Juliet's phone, which wants copies."""
    phone = world.online("juliet@example.org/phone")
    phone.asks("set", ENABLE)
    return phone


@pytest.fixture
def balcony(world: World, phone: Client) -> Client:
    balcony = world.online("juliet@example.org/balcony")
    phone.hears()
    return balcony


def test_conversations_are_copied(played: Played) -> None:
    played(
        """
        romeo@example.org/home connects
        romeo@example.org/garden connects
        juliet@example.org/balcony connects
        juliet@example.org/phone connects
        romeo@example.org/garden > <iq type='set' id='enable1'><enable xmlns='urn:xmpp:carbons:2'/></iq>
        romeo@example.org/garden < <iq type='result' id='enable1' from='romeo@example.org'
                to='romeo@example.org/garden'/>
        juliet@example.org/phone > <iq type='set' id='enable1'><enable xmlns='urn:xmpp:carbons:2'/></iq>
        juliet@example.org/phone < anything
        # §7 and §8
        romeo@example.org/home > <message to='juliet@example.org/balcony' type='chat'><body>What man</body></message>
        romeo@example.org/garden < <message from='romeo@example.org' to='romeo@example.org/garden' type='chat'>
                <sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>
                <message xmlns='jabber:client' from='romeo@example.org/home' to='juliet@example.org/balcony'
                type='chat'><body>What man</body></message></forwarded></sent></message>
        juliet@example.org/balcony < <message from='romeo@example.org/home' to='juliet@example.org/balcony'
                type='chat'><body>What man</body></message>
        juliet@example.org/phone < <message from='juliet@example.org' to='juliet@example.org/phone' type='chat'>
                <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>
                <message xmlns='jabber:client' from='romeo@example.org/home' to='juliet@example.org/balcony'
                type='chat'><body>What man</body></message></forwarded></received></message>
        # §5
        juliet@example.org/phone > <iq type='set' id='disable1'><disable xmlns='urn:xmpp:carbons:2'/></iq>
        juliet@example.org/phone < anything
        romeo@example.org/garden > <iq type='set' id='disable1'><disable xmlns='urn:xmpp:carbons:2'/></iq>
        romeo@example.org/garden < anything
        romeo@example.org/home > <message to='juliet@example.org/balcony' type='chat'><body>What?</body></message>
        juliet@example.org/balcony < anything
        """,
        Carbons,
    )


def test_what_all_get_is_not_copied(world: World, phone: Client, balcony: Client) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
    assert [len(client.hears()) for client in (phone, balcony)] == [1, 1]


def test_those_of_negative_priority_get_copies(world: World, phone: Client, balcony: Client) -> None:
    phone.says("<presence><priority>-1</priority></presence>")
    phone.hears()
    romeo = world.login("romeo@example.org/home")
    romeo.says("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
    [copy] = phone.hears()
    assert copy.find("received", CARBONS) is not None


def test_a_note_to_self_is_copied_once(world: World, phone: Client, balcony: Client) -> None:
    balcony.says("<message to='juliet@example.org/balcony' type='chat'><body>remember</body></message>")
    assert len(phone.hears()) == 1


def test_a_session_that_is_over_gets_none(world: World, phone: Client, balcony: Client) -> None:
    phone.leaves()
    world.login("romeo@example.org/home").says(HI)
    assert len([element for element in balcony.hears() if element.name == "message"]) == 1


def test_copies_go_on_after_a_restart(world: World, phone: Client) -> None:
    world.host.sessions.manage(phone.session, resume=True, max_s=None)
    phone.session.suspend()
    saved = persistence.save(phone.session)
    later = World("example.org", modules=(*IM, Carbons))
    later.create("juliet@example.org")
    assert later.run(persistence.restore(later.host, saved))
    later.online("juliet@example.org/balcony")
    later.login("romeo@example.org/home").says(HI)
    account = later.host.accounts.get("juliet")
    assert account is not None
    sm = account.sessions["phone"].sm
    assert sm is not None
    assert any(CARBONS.encode() in sent.wire for sent in sm.queue)


@pytest.mark.parametrize(
    ("xml", "copied"),
    [
        ("<message type='chat'/>", True),
        ("<message><body>hi</body></message>", True),
        ("<message/>", False),
        ("<message type='groupchat'><body>hi</body></message>", False),
        ("<message type='headline'><body>hi</body></message>", False),
        ("<message type='error'/>", True),
        ("<message><received xmlns='urn:xmpp:receipts' id='1'/></message>", True),
        ("<message><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>", False),
        ("<message type='chat'><body>hi</body><private xmlns='urn:xmpp:carbons:2'/></message>", False),
        ("<message type='chat'><body>hi</body><no-copy xmlns='urn:xmpp:hints'/></message>", False),
        ("<message type='chat'><body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>", False),
        ("<message><body>!</body><x xmlns='http://jabber.org/protocol/muc#user'><invite/></x></message>", True),
        ("<message><x xmlns='http://jabber.org/protocol/muc#user'><invite/></x></message>", True),
        ("<message><x xmlns='jabber:x:conference' jid='room@rooms.example.net'/></message>", True),
    ],
)
def test_what_is_eligible(xml: str, copied: bool) -> None:
    sender, to = JID.parse("a@example.net"), JID.parse("juliet@example.org")
    assert eligible(Stanza.build(parse(xml.encode()), sender, to)) is copied


def test_private_messages_in_rooms_are_copied_as_they_are_sent(world: World, phone: Client, balcony: Client) -> None:
    """§6.1: the room itself gives those that come to every client that has joined."""
    world.remote("rooms.example.net")
    balcony.says(
        "<message to='inn@rooms.example.net/nick' type='chat'><body>psst</body>"
        "<x xmlns='http://jabber.org/protocol/muc#user'/></message>"
    )
    [copy] = phone.hears()
    assert copy.find("sent", CARBONS) is not None
