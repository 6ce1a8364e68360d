"""XEP-0191 and XEP-0377: the XEPs' examples, and who is kept from whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.modules.conftest import IM, condition
from tests.transcript import play
from tests.world import Client, World
from xmpp_server.core import persistence
from xmpp_server.jid import JID
from xmpp_server.modules.blocking import KIND, Blocking, BlockingConfig, BlockList
from xmpp_server.modules.carbons import Carbons
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.storage.api import StorageFullError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import BLOCKING, BLOCKING_ERRORS

JULIET = "juliet@example.org"
ROMEO = "romeo@example.org"
Played = Callable[..., World]


def item(jid: str, command: str = "block") -> str:
    return f"<{command} xmlns='{BLOCKING}'><item jid='{jid}'/></{command}>"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, Carbons, Blocking))


@pytest.fixture
def friends(world: World) -> tuple[Client, Client]:
    world.befriend(JULIET, ROMEO)
    juliet, romeo = world.online(f"{JULIET}/chamber"), world.online(f"{ROMEO}/orchard")
    juliet.hears()
    return juliet, romeo


def test_list_block_unblock(played: Played) -> None:
    played(
        """
        juliet@example.org/chamber connects
        juliet@example.org/balcony connects
        juliet@example.org/hall connects
        # §3.2: an empty list
        juliet@example.org/chamber > <iq type='get' id='blocklist1'><blocklist xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='result'
                id='blocklist1'><blocklist xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/balcony > <iq type='get' id='blocklist2'><blocklist xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/balcony < anything
        # §3.3: those who have asked for the list are told, those who have not are not
        juliet@example.org/chamber > <iq type='set' id='block1'>
                <block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block></iq>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='set' id='*'>
                <block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block></iq>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='result'
                id='block1'/>
        juliet@example.org/balcony < <iq from='juliet@example.org' to='juliet@example.org/balcony' type='set' id='*'>
                <block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block></iq>
        juliet@example.org/balcony > <iq type='get' id='blocklist3'><blocklist xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/balcony < <iq from='juliet@example.org' to='juliet@example.org/balcony' type='result'
                id='blocklist3'><blocklist xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></blocklist></iq>
        # §3.4
        juliet@example.org/balcony > <iq type='set' id='unblock1'>
                <unblock xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></unblock></iq>
        juliet@example.org/balcony < <iq from='juliet@example.org' to='juliet@example.org/balcony' type='set' id='*'>
                <unblock xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></unblock></iq>
        juliet@example.org/balcony < <iq from='juliet@example.org' to='juliet@example.org/balcony' type='result'
                id='unblock1'/>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='set' id='*'>
                <unblock xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></unblock></iq>
        # §3.5: everybody
        juliet@example.org/hall > <iq type='set' id='b'>
                <block xmlns='urn:xmpp:blocking'><item jid='a@b.c'/><item jid='d.e'/></block></iq>
        juliet@example.org/hall > <iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='set' id='*'>
                <block xmlns='urn:xmpp:blocking'><item jid='a@b.c'/><item jid='d.e'/></block></iq>
        juliet@example.org/chamber < <iq from='juliet@example.org' to='juliet@example.org/chamber' type='set' id='*'>
                <unblock xmlns='urn:xmpp:blocking'/></iq>
        juliet@example.org/hall < anything
        juliet@example.org/balcony < anything
        """,
        Blocking,
    )


def test_stanzas_to_the_blocked_come_back(played: Played) -> None:
    played(
        """
        juliet@example.org/chamber connects
        romeo@example.org/orchard connects
        juliet@example.org/chamber > <iq type='set' id='block1'>
                <block xmlns='urn:xmpp:blocking'><item jid='romeo@example.org'/></block></iq>
        juliet@example.org/chamber < anything
        # §3.3, example 8
        juliet@example.org/chamber > <message to='romeo@example.org'><body>Can you hear me now?</body></message>
        juliet@example.org/chamber < <message from='romeo@example.org' to='juliet@example.org/chamber' type='error'>
                <body>Can you hear me now?</body><error type='cancel' code='406'>
                <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
                <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>You have blocked this address</text>
                <blocked xmlns='urn:xmpp:blocking:errors'/></error></message>
        juliet@example.org/chamber > <iq to='romeo@example.org/orchard' type='result' id='1'/>
        romeo@example.org/orchard < nothing
        """,
        Blocking,
    )


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='{}'><body>?</body></message>",
        "<iq type='get' id='1' to='{}/orchard'><query xmlns='jabber:iq:version'/></iq>",
        "<iq type='get' id='1' to='{}'><query xmlns='jabber:iq:version'/></iq>",
        "<presence to='{}'/>",
        "<presence to='{}' type='subscribe'/>",
    ],
)
def test_every_kind_of_stanza_to_the_blocked_is_refused(
    world: World, friends: tuple[Client, Client], stanza: str
) -> None:
    juliet, romeo = friends
    juliet.asks("set", item(ROMEO))
    romeo.hears()
    juliet.says(stanza.format(ROMEO))
    [answer] = juliet.hears()
    assert condition(answer) == "not-acceptable"
    error = answer.find("error", "jabber:client")
    assert error is not None
    assert error.get("type") == "cancel"
    assert error.find("blocked", BLOCKING_ERRORS) is not None
    assert not romeo.hears()


@pytest.mark.parametrize("to", ["juliet@example.org", "juliet@example.org/chamber"])
def test_the_blocked_find_nobody(world: World, friends: tuple[Client, Client], to: str) -> None:
    juliet, romeo = friends
    juliet.asks("set", item(ROMEO))
    romeo.hears()
    romeo.says(
        f"<message to='{to}' type='chat'><body>?</body></message>",
        f"<iq type='get' id='1' to='{to}'><query xmlns='jabber:iq:version'/></iq>",
        f"<iq type='result' id='1' to='{to}'/>",
        f"<message to='{to}' type='headline'><body>?</body></message>",
        f"<message to='{to}' type='error'><body>?</body></message>",
        f"<presence to='{to}'/>",
        f"<presence to='{to}' type='subscribe'/>",
        f"<presence to='{to}' type='probe'/>",
    )
    assert [condition(answer) for answer in romeo.hears()] == ["service-unavailable", "service-unavailable"]
    assert not juliet.hears()


def test_a_room_hears_of_no_error(world: World) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    room = world.remote("rooms.example.net")
    juliet.asks("set", item("inn@rooms.example.net/iago"))
    room.says(
        f"<message from='inn@rooms.example.net/iago' to='{juliet.jid}' type='groupchat'><body>I am not what I am"
        "</body></message>"
    )
    assert (juliet.hears(), room.hears()) == ([], [])
    room.says(
        f"<message from='inn@rooms.example.net/cassio' to='{juliet.jid}' type='groupchat'><body>!</body></message>"
    )
    assert len(juliet.hears()) == 1


def test_blocking_looks_like_leaving_and_unblocking_like_coming(world: World, friends: tuple[Client, Client]) -> None:
    juliet, romeo = friends
    juliet.asks("set", item(ROMEO))
    [gone] = romeo.hears()
    assert (gone.name, gone.get("type"), gone.get("from")) == ("presence", "unavailable", juliet.jid)
    juliet.says("<presence><show>away</show></presence>")
    romeo.says("<presence><show>dnd</show></presence>")
    assert [element.get("from") for element in juliet.hears()] == [juliet.jid]
    assert [element.get("from") for element in romeo.hears()] == [romeo.jid]
    juliet.says(f"<iq type='set' id='u'>{item(ROMEO, 'unblock')}</iq>")
    [back] = romeo.hears()
    assert (back.name, back.get("type"), back.get("from")) == ("presence", None, juliet.jid)
    # their own presence is asked for, too
    assert ("presence", romeo.jid) in [(element.name, element.get("from")) for element in juliet.hears()]


def test_directed_presence_ends_with_a_block(world: World) -> None:
    """§3.3; it is gone for good: nothing more is said when the session ends."""
    room = world.remote("rooms.example.net")
    juliet, hidden = world.online(f"{JULIET}/chamber"), world.login(f"{JULIET}/hidden")
    for client in (juliet, hidden):
        client.says("<presence to='inn@rooms.example.net/julia'/>")
    room.hears()
    juliet.asks("set", item("rooms.example.net"))
    assert [(one.get("from"), one.get("to"), one.get("type")) for one in room.hears()] == [
        (client.jid, "inn@rooms.example.net/julia", "unavailable") for client in (juliet, hidden)
    ]
    juliet.leaves()
    hidden.leaves()
    assert not room.hears()


def test_presence_directed_to_a_contact_ends_once(world: World, friends: tuple[Client, Client]) -> None:
    juliet, romeo = friends
    juliet.says(f"<presence to='{romeo.jid}'><show>chat</show></presence>")
    romeo.hears()
    juliet.asks("set", item(ROMEO))
    assert [one.get("type") for one in romeo.hears()] == ["unavailable"]


def test_a_domain_stands_for_its_contacts(world: World, friends: tuple[Client, Client]) -> None:
    juliet, romeo = friends
    juliet.asks("set", item("example.org"))
    assert [element.get("type") for element in romeo.hears()] == ["unavailable"]
    # §4, footnote: one's own resources are never blocked, nor is the server for commands
    juliet.says(f"<message to='{juliet.jid}'><body>me</body></message>")
    assert [element.get("type") for element in juliet.hears()] == [None]
    assert juliet.asks("set", f"<unblock xmlns='{BLOCKING}'/>").get("type") == "result"


def test_strangers_are_told_nothing_of_presence(world: World) -> None:
    juliet, romeo = world.online(f"{JULIET}/chamber"), world.online(f"{ROMEO}/orchard")
    juliet.asks("set", item(ROMEO))
    juliet.asks("set", item(ROMEO, "unblock"))
    assert not romeo.hears()


def test_one_resource_can_be_blocked(world: World, friends: tuple[Client, Client]) -> None:
    juliet, romeo = friends
    other = world.online(f"{ROMEO}/tomb")
    juliet.hears()
    juliet.asks("set", item(f"{ROMEO}/orchard"))
    assert [element.get("type") for element in romeo.hears() if element.get("from") == juliet.jid] == ["unavailable"]
    romeo.says(f"<message to='{juliet.jid}'><body>?</body></message>")
    assert [condition(element) for element in romeo.hears() if element.name == "message"] == ["service-unavailable"]
    other.says(f"<message to='{juliet.jid}'><body>!</body></message>")
    assert [element.name for element in juliet.hears()] == ["message"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (f"<block xmlns='{BLOCKING}'/>", "bad-request"),
        (f"<block xmlns='{BLOCKING}'><item/></block>", "bad-request"),
        (f"<unblock xmlns='{BLOCKING}'><item/></unblock>", "bad-request"),
        (item("@"), "jid-malformed"),
        (item("", "unblock"), "jid-malformed"),
        (
            f"<block xmlns='{BLOCKING}'><item jid='a@b'/><item jid='c@d'/><item jid='e@f'/></block>",
            "resource-constraint",
        ),
    ],
)
def test_errors(payload: str, expected: str) -> None:
    world = World(modules=(*IM, lambda: Blocking(BlockingConfig(items=2))))
    juliet = world.online(f"{JULIET}/chamber")
    assert condition(juliet.asks("set", payload)) == expected
    blocklist = juliet.asks("get", f"<blocklist xmlns='{BLOCKING}'/>").first
    assert blocklist is not None
    assert not list(blocklist.elements())


def listed(client: Client) -> list[str | None]:
    blocklist = client.asks("get", f"<blocklist xmlns='{BLOCKING}'/>").first
    assert blocklist is not None
    return [one.get("jid") for one in blocklist.elements()]


def pushed(heard: list[Element]) -> list[tuple[str, list[str | None]]]:
    """Commands that clients were told, and the items of each."""
    commands = [one.first for one in heard if one.get("type") == "set"]
    return [(one.name, [item.get("jid") for item in one.elements()]) for one in commands if one is not None]


THREE = "<{0} xmlns='urn:xmpp:blocking'><item jid='a@b'/><item jid='c@d'/><item jid='e@f'/></{0}>"


@pytest.mark.parametrize("committed", [0, 1])
async def test_what_is_stored_of_a_block_is_in_force_and_told(world: World, committed: int) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    assert listed(juliet) == []
    world.storage.hold()
    juliet.says(f"<iq type='set' id='q'>{THREE.format('block')}</iq>")
    world.storage.release(StorageFullError("disk full"), committed)
    world.settle()
    heard = juliet.hears()
    assert condition(heard[-1]) == "resource-constraint"
    assert pushed(heard) == ([("block", ["a@b"])] if committed else [])
    assert listed(juliet) == list(world.run(world.storage.documents.all(JID.parse(JULIET), KIND)))


@pytest.mark.parametrize("asked", [THREE.format("unblock"), f"<unblock xmlns='{BLOCKING}'/>"])
@pytest.mark.parametrize("committed", [0, 1])
async def test_what_is_stored_of_an_unblock_is_in_force_and_told(world: World, asked: str, committed: int) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    juliet.asks("set", THREE.format("block"))
    assert listed(juliet) == ["a@b", "c@d", "e@f"]
    world.storage.hold()
    juliet.says(f"<iq type='set' id='q'>{asked}</iq>")
    world.storage.release(StorageFullError("disk full"), committed)
    world.settle()
    heard = juliet.hears()
    assert condition(heard[-1]) == "resource-constraint"
    assert pushed(heard) == ([("unblock", ["a@b"])] if committed else [])
    assert listed(juliet) == list(world.run(world.storage.documents.all(JID.parse(JULIET), KIND)))


def test_the_list_of_others_is_not_to_be_had(world: World) -> None:
    world.online(f"{JULIET}/chamber")
    romeo = world.online(f"{ROMEO}/orchard")
    answer = romeo.asks("get", f"<blocklist xmlns='{BLOCKING}'/>", to=JULIET)
    assert condition(answer) == "service-unavailable"
    assert condition(romeo.asks("set", item("a@b"), to=JULIET)) == "service-unavailable"


def test_the_list_lasts(world: World) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    juliet.asks("set", item("Iago@Shakespeare.lit"))
    juliet.leaves()
    world.host.accounts.forget("juliet")
    blocklist = world.online(f"{JULIET}/chamber").asks("get", f"<blocklist xmlns='{BLOCKING}'/>").first
    assert blocklist is not None
    assert [one.get("jid") for one in blocklist.elements()] == ["iago@shakespeare.lit"]


def test_no_carbons_of_what_is_refused(world: World, friends: tuple[Client, Client]) -> None:
    juliet, romeo = friends
    juliet.asks("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    other = world.online(f"{JULIET}/balcony")
    juliet.asks("set", item(ROMEO))
    juliet.hears()
    other.says(f"<message to='{ROMEO}' type='chat'><body>?</body></message>")
    romeo.says(f"<message to='{other.jid}' type='chat'><body>?</body></message>")
    assert not juliet.hears()


def test_interest_survives_a_restart(world: World) -> None:
    juliet = world.online(f"{JULIET}/chamber")
    juliet.asks("get", f"<blocklist xmlns='{BLOCKING}'/>")
    world.host.sessions.manage(juliet.session, resume=True, max_s=None)
    juliet.session.suspend()
    saved = persistence.save(juliet.session)
    later = World("example.org", modules=(*IM, Blocking))
    later.create(JULIET)
    assert later.run(persistence.restore(later.host, saved))
    balcony = later.online(f"{JULIET}/balcony")
    balcony.asks("set", item(ROMEO))
    account = later.host.accounts.get("juliet")
    assert account is not None
    [restored] = [session for session in account.sessions.values() if session.transport is None]
    assert restored.sm is not None
    assert any(b"urn:xmpp:blocking" in sent.wire for sent in restored.sm.queue)


def test_features(played: Played) -> None:
    world = played("juliet@example.org/chamber connects", ServiceDiscovery, Blocking)
    [juliet] = world.clients.values()
    info = juliet.asks("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to="example.org").first
    assert info is not None
    assert {"urn:xmpp:blocking", "urn:xmpp:reporting:1"} <= {feature.get("var") for feature in info.elements()}


@pytest.mark.parametrize(
    ("blocked", "matching", "others"),
    [
        # §5
        ("a@b/c", ["a@b/c"], ["a@b", "a@b/d", "b"]),
        ("a@b", ["a@b/c", "a@b"], ["b", "d@b", "b/c"]),
        ("b/c", ["b/c", "a@b/c"], ["b", "a@b", "b/d"]),
        ("b", ["b", "b/c", "a@b", "a@b/c"], ["c.b", "b.c"]),
    ],
)
def test_matching(blocked: str, matching: list[str], others: list[str]) -> None:
    blocks = BlockList([JID.parse(blocked)])
    assert all(blocks.blocks(JID.parse(jid)) for jid in matching)
    assert not any(blocks.blocks(JID.parse(jid)) for jid in others)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    command=st.sampled_from(["block", "unblock", "blocklist"]),
    kind=st.sampled_from(["get", "set"]),
    children=st.lists(st.sampled_from(["<item/>", "<item jid='a@b'/>", "<item jid='@'/>", "<x xmlns='y'/>", "text"])),
)
def test_every_request_is_answered(command: str, kind: str, children: list[str]) -> None:
    world = World(modules=(*IM, Blocking))
    juliet = world.login(f"{JULIET}/chamber")
    answer = juliet.asks(kind, f"<{command} xmlns='{BLOCKING}'>{''.join(children)}</{command}>")
    assert answer.get("type") in ("result", "error")
    play(world, "juliet@example.org/chamber < nothing")
