"""XEP-0054: the XEP's examples, and who may see and set what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.jid import JID
from xmpp_server.modules.vcard import VCard, VCardConfig

Played = Callable[..., World]
CARD = "<vCard xmlns='vcard-temp'><FN>Peter</FN></vCard>"
EMPTY = "<vCard xmlns='vcard-temp'/>"
JULIET, ROMEO = "juliet@example.org", "romeo@example.org"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, VCard))


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login(f"{ROMEO}/orchard")


def test_cards_are_set_by_their_owners_and_read_by_all(played: Played) -> None:
    played(
        """
        stpeter@example.org/roundabout connects
        jer@example.org/home connects
        # §3.1, example 3: none yet
        stpeter@example.org/roundabout > <iq id='v1' type='get'><vCard xmlns='vcard-temp'/></iq>
        stpeter@example.org/roundabout < <iq id='v1' to='stpeter@example.org/roundabout' from='stpeter@example.org'
                type='error'><vCard xmlns='vcard-temp'/><error type='cancel' code='404'>
                <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        # §3.2
        stpeter@example.org/roundabout > <iq id='v2' type='set'><vCard xmlns='vcard-temp'>
                <FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><MIDDLE/></N></vCard></iq>
        stpeter@example.org/roundabout < <iq id='v2' to='stpeter@example.org/roundabout' from='stpeter@example.org'
                type='result'/>
        stpeter@example.org/roundabout > <iq id='v1' type='get'><vCard xmlns='vcard-temp'/></iq>
        stpeter@example.org/roundabout < <iq id='v1' to='stpeter@example.org/roundabout' from='stpeter@example.org'
                type='result'><vCard xmlns='vcard-temp'>
                <FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><MIDDLE/></N></vCard></iq>
        # §3.3: the server answers for the account
        jer@example.org/home > <iq id='v3' type='get' to='stpeter@example.org'><vCard xmlns='vcard-temp'/></iq>
        jer@example.org/home < <iq id='v3' to='jer@example.org/home' from='stpeter@example.org' type='result'>
                <vCard xmlns='vcard-temp'>
                <FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><MIDDLE/></N></vCard></iq>
        stpeter@example.org/roundabout < nothing
        # example 9: no card, no account, no difference
        stpeter@example.org/roundabout > <iq id='v3' to='jer@example.org' type='get'><vCard xmlns='vcard-temp'/></iq>
        stpeter@example.org/roundabout < <iq id='v3' to='stpeter@example.org/roundabout' from='jer@example.org'
                type='error'><vCard xmlns='vcard-temp'/><error type='cancel' code='503'>
                <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        stpeter@example.org/roundabout > <iq id='v3' to='nobody@example.org' type='get'><vCard xmlns='vcard-temp'/></iq>
        stpeter@example.org/roundabout < <iq id='v3' to='stpeter@example.org/roundabout' from='nobody@example.org'
                type='error'><vCard xmlns='vcard-temp'/><error type='cancel' code='503'>
                <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        """,
        VCard,
    )


def test_others_read_it_too(world: World, romeo: Client) -> None:
    romeo.asks("set", CARD)
    peer = world.remote("example.net")
    peer.says(f"<iq type='get' id='1' from='a@example.net/b' to='{ROMEO}'>{EMPTY}</iq>")
    [answer] = peer.hears()
    assert answer.get("type") == "result"


@pytest.mark.parametrize(("subscription", "expected"), [("from", "forbidden"), ("none", "service-unavailable")])
def test_nobody_sets_the_card_of_another(world: World, subscription: str, expected: str) -> None:
    world.contact(JULIET, ROMEO, subscription)
    juliet = world.login(f"{JULIET}/balcony")
    juliet.asks("set", CARD)
    romeo = world.login(f"{ROMEO}/orchard")
    assert condition(romeo.asks("set", "<vCard xmlns='vcard-temp'><FN>X</FN></vCard>", to=JULIET)) == expected
    assert condition(romeo.asks("get", EMPTY)) == "item-not-found"
    assert juliet.asks("get", EMPTY).first == juliet.asks("get", EMPTY, to=JULIET).first


def test_a_card_has_a_limit() -> None:
    world = World("example.org", modules=(*IM, lambda: VCard(VCardConfig(card_bytes=100))))
    romeo = world.login(f"{ROMEO}/orchard")
    assert romeo.asks("set", CARD).get("type") == "result"
    answer = romeo.asks("set", f"<vCard xmlns='vcard-temp'><FN>{'x' * 100}</FN></vCard>")
    assert condition(answer) == "policy-violation"
    assert answer.find("vCard", "vcard-temp") is None


def test_the_server_has_a_card() -> None:
    config = VCardConfig(name="Verona", organization="Capulet", url="https://example.org", description="Fair")
    world = World("example.org", modules=(*IM, lambda: VCard(config)))
    romeo = world.login(f"{ROMEO}/orchard")
    card = romeo.asks("get", EMPTY, to="example.org").first
    assert card is not None
    assert [element.name for element in card.elements()] == ["FN", "ORG", "URL", "JABBERID", "DESC"]
    assert condition(romeo.asks("set", CARD, to="example.org")) == "forbidden"


def test_by_default_the_server_says_its_name(romeo: Client) -> None:
    card = romeo.asks("get", EMPTY, to="example.org").first
    assert card is not None
    assert [element.text for element in card.elements()] == ["example.org", "example.org"]


def test_anonymous_accounts_have_no_card(world: World) -> None:
    world.host.accounts.add_anonymous(JID.parse("ghost@example.org"))
    ghost = world.login("ghost@example.org/hall")
    assert condition(ghost.asks("set", CARD)) == "not-allowed"
