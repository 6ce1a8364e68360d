"""RFC 6121 §3: subscriptions on the wire, between two local domains and with a remote one."""

import pytest

from tests.transcript import play
from tests.world import Client, World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.im.subscribing import REQUEST_BYTES, REQUESTS
from xmpp_server.im.subscriptions import UNLISTED
from xmpp_server.jid import JID

ROMEO = JID.parse("romeo@example.net")
JULIET = JID.parse("juliet@example.com")


@pytest.fixture
def world() -> World:
    return World("example.com", "example.net", modules=(Delivery, Roster, Presence))


def kinds(client: Client) -> list[tuple[str | None, str | None]]:
    """What presence came: (from, type)."""
    return [(element.get("from"), element.get("type")) for element in client.hears() if element.name == "presence"]


def subscriptions(world: World, owner: JID) -> dict[JID, tuple[str, bool, bool, bool]]:
    """The stored roster: contact -> (subscription, ask, approved, pending in)."""
    items = world.run(world.storage.rosters.load(owner)).items
    return {item.jid: (item.subscription, item.ask, item.approved, item.pending_in is not None) for item in items}


def test_the_whole_conversation_of_section_3(world: World) -> None:
    world.online("romeo@example.net/orchard")
    world.online("juliet@example.com/balcony")
    world.clients["romeo@example.net/orchard"].hears()
    play(
        world,
        """
        # §3.1.1, §3.1.2: full JIDs are made bare, and extensions are kept
        romeo@example.net/orchard > <presence id='xk3h1v69' to='juliet@example.com/balcony' type='subscribe'>
          <nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>
        romeo@example.net/orchard < <iq id='*' from='romeo@example.net' to='romeo@example.net/orchard' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='none' ask='subscribe'/>
          </query></iq>
        # §3.1.3
        juliet@example.com/balcony < <presence id='xk3h1v69' from='romeo@example.net' to='juliet@example.com'
          type='subscribe'><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>
        # asking again is routed, but not delivered again; no push either
        romeo@example.net/orchard > <presence id='again' to='juliet@example.com' type='subscribe'/>
        romeo@example.net/orchard < nothing
        juliet@example.com/balcony < nothing
        # §3.1.5: she approves; he sees her
        juliet@example.com/balcony > <presence id='h4v1c4kj' to='romeo@example.net' type='subscribed'/>
        juliet@example.com/balcony < <iq id='*' from='juliet@example.com' to='juliet@example.com/balcony' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='from'/></query></iq>
        romeo@example.net/orchard < <presence id='h4v1c4kj' from='juliet@example.com' to='romeo@example.net'
          type='subscribed'/>
        romeo@example.net/orchard < <iq id='*' from='romeo@example.net' to='romeo@example.net/orchard' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='to'/></query></iq>
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'/>
        # she subscribes too, and he approves
        juliet@example.com/balcony > <presence id='s2' to='romeo@example.net' type='subscribe'/>
        juliet@example.com/balcony < <iq id='*' from='juliet@example.com' to='juliet@example.com/balcony' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='from' ask='subscribe'/>
          </query></iq>
        romeo@example.net/orchard < <presence id='s2' from='juliet@example.com' to='romeo@example.net'
          type='subscribe'/>
        romeo@example.net/orchard > <presence id='s3' to='juliet@example.com' type='subscribed'/>
        romeo@example.net/orchard < <iq id='*' from='romeo@example.net' to='romeo@example.net/orchard' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='both'/></query></iq>
        juliet@example.com/balcony < <presence id='s3' from='romeo@example.net' to='juliet@example.com'
          type='subscribed'/>
        juliet@example.com/balcony < <iq id='*' from='juliet@example.com' to='juliet@example.com/balcony' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='both'/></query></iq>
        juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'/>
        # §3.1.3: whoever asks for what they have is answered by the server, and sees the presence once more
        romeo@example.net/orchard > <presence id='s4' to='juliet@example.com' type='subscribe'/>
        juliet@example.com/balcony < nothing
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'/>
        # §3.3: he unsubscribes; he is told that she is gone
        romeo@example.net/orchard > <presence id='ul4bs71n' to='juliet@example.com' type='unsubscribe'/>
        romeo@example.net/orchard < <iq id='*' from='romeo@example.net' to='romeo@example.net/orchard' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='from'/></query></iq>
        juliet@example.com/balcony < <presence id='ul4bs71n' from='romeo@example.net' to='juliet@example.com'
          type='unsubscribe'/>
        juliet@example.com/balcony < <iq id='*' from='juliet@example.com' to='juliet@example.com/balcony' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='to'/></query></iq>
        romeo@example.net/orchard < <presence from='juliet@example.com/balcony' to='romeo@example.net'
          type='unavailable'/>
        # §3.2: he cancels her subscription; first she is told that he is gone
        romeo@example.net/orchard > <presence id='ij5b1v7g' to='juliet@example.com' type='unsubscribed'/>
        romeo@example.net/orchard < <iq id='*' from='romeo@example.net' to='romeo@example.net/orchard' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='juliet@example.com' subscription='none'/></query></iq>
        juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'
          type='unavailable'/>
        juliet@example.com/balcony < <presence id='ij5b1v7g' from='romeo@example.net' to='juliet@example.com'
          type='unsubscribed'/>
        juliet@example.com/balcony < <iq id='*' from='juliet@example.com' to='juliet@example.com/balcony' type='set'>
          <query xmlns='jabber:iq:roster' ver='*'><item jid='romeo@example.net' subscription='none'/></query></iq>
        """,
    )


def test_requests_wait_for_a_resource_with_all_they_carry(world: World) -> None:  # §3.1.3
    world.create(JULIET)
    romeo = world.online("romeo@example.net/orchard")
    romeo.says("<presence id='1' to='juliet@example.com' type='subscribe'><status>Hi &amp; hello</status></presence>")
    assert subscriptions(world, JULIET) == {ROMEO: (UNLISTED, False, False, True)}
    for _ in range(2):  # until she answers, each time
        juliet = world.login("juliet@example.com/balcony")
        answer = juliet.asks("get", "<query xmlns='jabber:iq:roster'/>")
        assert answer.first is not None
        assert list(answer.first.elements()) == []  # a request is no contact
        juliet.says("<presence/>")
        _, request = juliet.hears()
        assert (request.get("type"), request.get("from"), request.get("id")) == ("subscribe", ROMEO, "1")
        status = request.find("status", "jabber:client")
        assert status is not None
        assert status.text == "Hi & hello"
        juliet.says("<presence><show>away</show></presence>")
        assert kinds(juliet) == [("juliet@example.com/balcony", None)]
        juliet.leaves()
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<presence to='romeo@example.net' type='unsubscribed'/>")
    assert subscriptions(world, JULIET) == {}
    assert subscriptions(world, ROMEO) == {JULIET: ("none", False, False, False)}
    assert juliet.hears() == []
    juliet.leaves()
    assert kinds(world.online("juliet@example.com/balcony")) == []


def test_pre_approval(world: World) -> None:  # §3.4
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<presence to='romeo@example.net' type='subscribed'/>")
    [push] = juliet.hears()
    assert push.first is not None
    item = push.first.first
    assert item is not None
    assert (item.get("approved"), item.get("subscription"), item.get("jid")) == ("true", "none", ROMEO)
    romeo = world.online("romeo@example.net/orchard")
    assert romeo.hears() == []  # nothing was routed
    romeo.says("<presence id='x' to='juliet@example.com' type='subscribe'/>")
    assert kinds(romeo) == [(JULIET, "subscribed"), ("juliet@example.com/balcony", None)]
    assert [element.name for element in juliet.hears()] == ["iq"]
    assert subscriptions(world, JULIET) == {ROMEO: ("from", False, True, False)}
    assert subscriptions(world, ROMEO) == {JULIET: ("to", False, False, False)}


def test_a_pre_approval_is_cancelled_without_a_word(world: World) -> None:  # §3.4.2
    juliet = world.online("juliet@example.com/balcony")
    juliet.says(
        "<presence to='romeo@example.net' type='subscribed'/>", "<presence to='romeo@example.net' type='unsubscribed'/>"
    )
    juliet.hears()
    romeo = world.online("romeo@example.net/orchard")
    romeo.says("<presence to='juliet@example.com' type='subscribe'/>")
    assert kinds(juliet) == [(ROMEO, "subscribe")]


def test_asking_nobody_is_silence(world: World) -> None:  # §8.5.1
    romeo = world.online("romeo@example.net/orchard")
    for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"):
        romeo.says(f"<presence to='nobody@example.com' type='{kind}'/>")
    assert kinds(romeo) == []


def test_a_domain_that_cannot_be_reached_is_an_error(world: World) -> None:  # §3.1.2
    romeo = world.online("romeo@example.net/orchard")
    romeo.says("<presence id='s' to='a@nowhere.test' type='subscribe'/>")
    assert kinds(romeo) == [("a@nowhere.test", "error")]


def test_remote_contacts_use_bare_addresses_too(world: World) -> None:
    remote = world.remote("shakespeare.lit")
    juliet = world.online("juliet@example.com/balcony")
    remote.says("<presence from='nurse@shakespeare.lit/x' to='juliet@example.com/balcony' type='subscribe'/>")
    [request] = juliet.hears()
    assert (request.get("from"), request.get("to")) == ("nurse@shakespeare.lit", JULIET)
    juliet.says("<presence to='Nurse@Shakespeare.lit/x' type='subscribed'/>")
    approval, presence = remote.hears()
    assert (approval.get("from"), approval.get("to"), approval.get("type")) == (
        JULIET,
        "nurse@shakespeare.lit",
        "subscribed",
    )
    assert (presence.get("from"), presence.get("to")) == ("juliet@example.com/balcony", "nurse@shakespeare.lit")


def test_subscription_stanzas_to_oneself_are_nothing(world: World) -> None:
    juliet = world.online("juliet@example.com/balcony")
    for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
        juliet.says(f"<presence to='juliet@example.com' type='{kind}'/>")
    assert juliet.hears() == []
    assert subscriptions(world, JULIET) == {}


def test_a_huge_request_is_kept_without_its_extensions(world: World) -> None:
    world.create(JULIET)
    romeo = world.online("romeo@example.net/orchard")
    romeo.says(f"<presence to='juliet@example.com' type='subscribe'><status>{'x' * REQUEST_BYTES}</status></presence>")
    juliet = world.login("juliet@example.com/balcony")
    juliet.says("<presence/>")
    _, request = juliet.hears()
    assert (request.get("type"), request.children) == ("subscribe", [])


def test_requests_of_strangers_are_limited(world: World) -> None:
    remote = world.remote("spam.test")
    world.create(JULIET)
    for number in range(REQUESTS + 5):
        remote.says(f"<presence from='s{number}@spam.test' to='juliet@example.com' type='subscribe'/>")
    assert len(subscriptions(world, JULIET)) == REQUESTS
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<presence to='romeo@example.net' type='subscribe'/>")
    assert subscriptions(world, JULIET)[ROMEO] == ("none", True, False, False)


def test_removing_a_contact_who_asked_and_is_asked(world: World) -> None:  # §2.5.2
    remote = world.remote("shakespeare.lit")
    juliet = world.online("juliet@example.com/balcony")
    juliet.says("<presence to='nurse@shakespeare.lit' type='subscribe'/>")
    remote.says("<presence from='nurse@shakespeare.lit' to='juliet@example.com' type='subscribe'/>")
    remote.hears()
    item = "<item jid='nurse@shakespeare.lit' subscription='remove'/>"
    juliet.asks("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
    assert [element.get("type") for element in remote.hears()] == ["unsubscribe", "unsubscribed"]
    assert subscriptions(world, JULIET) == {}


def test_unsubscribe_racing_subscribed_on_two_resources(world: World) -> None:
    world.create(JULIET)
    world.online("romeo@example.net/orchard").says("<presence to='juliet@example.com' type='subscribe'/>")
    balcony, chamber = world.online("juliet@example.com/balcony"), world.online("juliet@example.com/chamber")
    balcony.hears()
    balcony.says("<presence to='romeo@example.net' type='subscribed'/>")
    chamber.says("<presence to='romeo@example.net' type='unsubscribed'/>")
    pushes = [element.first.first for element in balcony.hears() if element.name == "iq" and element.first is not None]
    assert [push.get("subscription") for push in pushes if push is not None] == ["from", "none"]
    assert subscriptions(world, ROMEO) == {JULIET: ("none", False, False, False)}


def test_answers_go_to_resources_that_asked_for_the_roster(world: World) -> None:  # §3.1.6
    romeo = world.online("romeo@example.net/orchard")
    ignorant = world.login("romeo@example.net/ignorant")
    juliet = world.online("juliet@example.com/balcony")
    romeo.says("<presence to='juliet@example.com' type='subscribe'/>")
    juliet.says("<presence to='romeo@example.net' type='subscribed'/>")
    assert (JULIET, "subscribed") in kinds(romeo)
    assert ignorant.hears() == []
