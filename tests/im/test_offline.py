"""XEP-0160, and the messages that a session under XEP-0198 leaves behind."""

import pytest

from tests.virtual_runtime import START
from tests.world import Client, World
from xmpp_server.core.hooks import PresenceChange
from xmpp_server.core.host import Limits
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.offline import Offline, keeping
from xmpp_server.jid import JID
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.storage.api import OfflineMessage, StorageFullError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELAY, SID
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

JULIET = JID.parse("juliet@example.org")
CHAT = "<message to='{to}' type='chat' id='{id}'><body>{id}</body></message>"


def offline_world() -> World:
    """A world where Juliet has an account, and no presence."""
    world = World(modules=(Delivery, Offline, StableIds, StreamManagementModule))
    world.create(JULIET)
    return world


@pytest.fixture
def world() -> World:
    return offline_world()


@pytest.fixture
def romeo(world: World) -> Client:
    return world.login("romeo@example.org/home")


@pytest.fixture
def balcony(world: World) -> Client:
    """Juliet's client, available, with stream management."""
    balcony = world.login("juliet@example.org/balcony")
    come(balcony)
    enable_sm(balcony)
    return balcony


def come(client: Client, priority: int = 0) -> None:
    """Become available without the presence module."""
    arrive(client, priority)
    client.world.settle()


def arrive(client: Client, priority: int = 0) -> None:
    """`come`, but let nothing that is put off happen yet."""
    session = client.session
    presence = Stanza.build(Element("presence", CLIENT), client.jid, None)
    session.set_presence(presence, priority)
    client.world.host.hooks.presence_changed.fire(PresenceChange(session, None, presence))


def enable_sm(client: Client, resume: bool = True) -> str:
    client.says(f"<enable xmlns='urn:xmpp:sm:3' resume='{'true' if resume else 'false'}'/>")
    [enabled] = client.hears()
    return enabled.get("id") or ""


def bodies(elements: list[Element]) -> list[str]:
    return [body.text for element in elements if (body := element.find("body", CLIENT)) is not None]


def stored(world: World) -> list[str]:
    rows = world.run(world.storage.offline.load(JULIET))
    return bodies([parse(row.stanza) for row in rows])


@pytest.mark.parametrize(
    ("kind", "payload", "kept"),
    [
        ("chat", "<body>x</body>", True),
        ("normal", "<body>x</body>", True),
        ("shout", "<body>x</body>", True),
        ("groupchat", "<body>x</body>", False),
        ("headline", "<body>x</body>", False),
        ("error", "<body>x</body>", False),
        ("chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", False),
        ("chat", "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", False),
        ("chat", "<active xmlns='http://jabber.org/protocol/chatstates'/>", False),
        ("chat", "<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>", True),
        ("chat", "", False),
        ("chat", "<encrypted xmlns='urn:example'/>", True),
        ("chat", "<received xmlns='urn:xmpp:carbons:2'/>", False),
    ],
)
def test_what_is_kept(kind: str, payload: str, kept: bool) -> None:
    stanza = Stanza.build(parse(f"<message type='{kind}'>{payload}</message>".encode()), JULIET, JULIET)
    assert keeping(stanza)[0] is kept


def test_stored_and_delivered_once_with_delay_and_stable_id(world: World) -> None:
    romeo = world.login("romeo@example.org/home")
    romeo.says(CHAT.format(to=JULIET, id="m1"), CHAT.format(to=JULIET, id="m2"))
    assert romeo.hears() == []
    world.passes(60)
    balcony = world.login("juliet@example.org/balcony")
    come(balcony)
    messages = balcony.hears()
    assert bodies(messages) == ["m1", "m2"]
    for message in messages:
        assert message.find("delay", DELAY).get("from") == "example.org"
        assert message.find("delay", DELAY).get("stamp") == "2024-02-29T12:00:00Z"
        assert message.find("stanza-id", SID).get("by") == JULIET
    assert stored(world) == []
    chamber = world.login("juliet@example.org/chamber")
    come(chamber)
    assert chamber.hears() == []


def test_negative_priority_gets_nothing_stored(world: World) -> None:
    world.login("romeo@example.org/home").says(CHAT.format(to=JULIET, id="m"))
    balcony = world.login("juliet@example.org/balcony")
    come(balcony, -1)
    assert balcony.hears() == []
    come(balcony, 0)
    assert bodies(balcony.hears()) == ["m"]


def test_past_the_quota_the_sender_is_told_and_the_queue_is_intact() -> None:
    world = World(modules=(Delivery, Offline), limits=Limits(offline_messages=2))
    world.create(JULIET)
    romeo = world.login("romeo@example.org/home")
    romeo.says(*[CHAT.format(to=JULIET, id=f"m{n}") for n in range(3)])
    [error] = romeo.hears()
    assert error.get("id") == "m2"
    assert error.find("error", CLIENT).first.name == "service-unavailable"
    assert stored(world) == ["m0", "m1"]


async def test_a_failed_write_is_an_error_to_the_sender(world: World, romeo: Client) -> None:
    world.storage.hold()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    assert romeo.hears() == []
    world.release(StorageFullError("disk full"))
    [error] = romeo.hears()
    assert error.find("error", CLIENT).first.name == "resource-constraint"


async def test_acknowledged_only_when_committed(world: World, romeo: Client) -> None:
    enable_sm(romeo)
    world.storage.hold()
    romeo.says(CHAT.format(to=JULIET, id="m"), "<r xmlns='urn:xmpp:sm:3'/>")
    assert romeo.hears() == []
    world.release()
    [answer] = romeo.hears()
    assert (answer.name, answer.get("h")) == ("a", "1")


def test_acknowledged_when_the_recipient_has_acknowledged(world: World, romeo: Client, balcony: Client) -> None:
    enable_sm(romeo)
    romeo.says(CHAT.format(to=balcony.jid, id="m"), "<r xmlns='urn:xmpp:sm:3'/>")
    assert romeo.hears() == []
    assert [element.name for element in balcony.hears()] == ["message", "r"]  # asked at once, on romeo's behalf
    balcony.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    [answer] = romeo.hears()
    assert answer.get("h") == "1"
    assert stored(world) == []


def test_kept_when_the_recipient_does_not_acknowledge_in_time(world: World, romeo: Client, balcony: Client) -> None:
    enable_sm(romeo)
    romeo.says(CHAT.format(to=balcony.jid, id="m"), "<r xmlns='urn:xmpp:sm:3'/>")
    world.passes(3)
    [answer] = romeo.hears()
    assert answer.get("h") == "1"
    assert stored(world) == ["m"]
    balcony.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert stored(world) == []


def test_resumption_sends_again_what_was_not_acknowledged(world: World, romeo: Client, balcony: Client) -> None:
    romeo.says(CHAT.format(to=JULIET, id="m1"))
    balcony.drops()
    romeo.says(CHAT.format(to=JULIET, id="m2"))
    assert stored(world) == ["m1", "m2"]  # a crash now would lose nothing
    balcony.resumes()
    assert bodies(balcony.hears()) == ["m1", "m2"]
    balcony.says("<a xmlns='urn:xmpp:sm:3' h='2'/>")
    assert stored(world) == []


def test_what_a_dead_session_leaves_is_stored(world: World, romeo: Client, balcony: Client) -> None:
    romeo.says(CHAT.format(to=JULIET, id="m1"))
    balcony.drops()
    romeo.says(CHAT.format(to=balcony.jid, id="m2"))
    world.passes(700)
    assert balcony.session.closed
    assert stored(world) == ["m1", "m2"]
    again = world.login("juliet@example.org/balcony")
    come(again)
    assert bodies(again.hears()) == ["m1", "m2"]


def test_what_a_dead_session_leaves_goes_to_others_who_have_not_seen_it(world: World, romeo: Client) -> None:
    balcony = world.login("juliet@example.org/balcony")
    chamber = world.login("juliet@example.org/chamber")
    come(balcony)
    come(chamber)
    enable_sm(balcony)
    romeo.says(CHAT.format(to=balcony.jid, id="to balcony"), CHAT.format(to=JULIET, id="to both"))
    assert bodies(chamber.hears()) == ["to both"]
    balcony.drops()
    world.passes(700)
    assert bodies(chamber.hears()) == ["to balcony"]
    assert stored(world) == []


def test_unanswered_iqs_of_a_dead_session_are_refused(world: World, romeo: Client) -> None:
    balcony = world.login("juliet@example.org/balcony")
    enable_sm(balcony, resume=False)
    romeo.says(f"<iq to='{balcony.jid}' type='get' id='i'><query xmlns='urn:example'/></iq>")
    balcony.drops()
    [error] = romeo.hears()
    assert (error.get("type"), error.get("id")) == ("error", "i")


def test_two_resources_do_not_both_get_what_was_stored(world: World) -> None:
    world.login("romeo@example.org/home").says(CHAT.format(to=JULIET, id="m"))
    balcony = world.login("juliet@example.org/balcony")
    enable_sm(balcony)
    come(balcony)
    chamber = world.login("juliet@example.org/chamber")
    come(chamber)
    assert bodies(balcony.hears()) == ["m"]
    assert chamber.hears() == []


def test_one_bad_row_does_not_keep_the_others_back(world: World) -> None:
    world.storage.offline.append(JULIET, OfflineMessage("0", world.runtime.utcnow(), b"<message"))
    world.login("romeo@example.org/home").says(CHAT.format(to=JULIET, id="m"))
    balcony = world.login("juliet@example.org/balcony")
    come(balcony)
    assert bodies(balcony.hears()) == ["m"]


def test_a_private_message_is_kept(world: World) -> None:
    """XEP-0280 §9: `<private/>` says how to copy a message; it is no carbon."""
    private = "<private xmlns='urn:xmpp:carbons:2'/>"
    world.login("romeo@example.org/home").says(
        f"<message to='{JULIET}' type='chat'><body>m</body>{private}</message>",
        f"<message to='{JULIET}' type='chat'><encrypted xmlns='urn:example'/>{private}</message>",
    )
    assert world.run(world.storage.offline.count(JULIET)) == 2


def test_what_two_lost_sessions_had_is_stored_once_and_counted_once(world: World, romeo: Client) -> None:
    lost = [world.login(f"juliet@example.org/{name}") for name in ("balcony", "chamber")]
    for client in lost:
        come(client)
        enable_sm(client)
        client.drops()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    account = lost[0].account
    assert (stored(world), account.offline_count) == (["m"], 1)
    lost[0].leaves()
    assert (stored(world), account.offline_count) == (["m"], 1)
    lost[1].leaves()
    assert (stored(world), account.offline_count) == (["m"], 1)
    back = world.login("juliet@example.org/orchard")
    come(back)
    assert bodies(back.hears()) == ["m"]
    assert (stored(world), account.offline_count) == ([], 0)


def test_what_one_of_two_sessions_has_acknowledged_is_forgotten(world: World, romeo: Client) -> None:
    balcony, chamber = [world.login(f"juliet@example.org/{name}") for name in ("balcony", "chamber")]
    for client in (balcony, chamber):
        come(client)
        enable_sm(client)
    balcony.drops()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    chamber.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    balcony.leaves()
    chamber.leaves()
    assert (stored(world), balcony.account.offline_count) == ([], 0)


def test_who_came_later_gets_what_a_lost_session_has_not_acknowledged(
    world: World, romeo: Client, balcony: Client
) -> None:
    balcony.drops()
    romeo.says(CHAT.format(to=JULIET, id="m"))
    world.passes(60)
    chamber = world.login("juliet@example.org/chamber")
    come(chamber)
    assert chamber.hears() == []
    world.passes(700)
    [message] = chamber.hears()
    assert bodies([message]) == ["m"]
    assert message.find("delay", DELAY).get("stamp") == "2024-02-29T12:00:00Z"  # XEP-0198 §5
    assert (stored(world), chamber.account.offline_count) == ([], 0)


def test_what_was_stored_and_given_to_a_lost_session_goes_to_another(world: World) -> None:
    world.login("romeo@example.org/home").says(CHAT.format(to=JULIET, id="m"))
    balcony, chamber = [world.login(f"juliet@example.org/{name}") for name in ("balcony", "chamber")]
    enable_sm(balcony)
    come(balcony)
    come(chamber)
    assert chamber.hears() == []
    balcony.leaves()
    assert bodies(chamber.hears()) == ["m"]
    assert (stored(world), chamber.account.offline_count) == ([], 0)


def test_new_messages_do_not_overtake_stored_ones(world: World, romeo: Client) -> None:
    romeo.says(*[CHAT.format(to=JULIET, id=f"m{n}") for n in range(250)])
    balcony = world.login("juliet@example.org/balcony")
    arrive(balcony)
    romeo.says(CHAT.format(to=JULIET, id="new"), CHAT.format(to=balcony.jid, id="newer"))
    assert bodies(balcony.hears()) == [*[f"m{n}" for n in range(250)], "new", "newer"]


def test_stored_messages_wait_for_a_slow_reader(world: World) -> None:
    """Else they would be more than may wait for a connection, and be lost with it."""
    world.login("romeo@example.org/home").says(*[CHAT.format(to=JULIET, id=f"m{n}" + "x" * 9000) for n in range(90)])
    balcony = world.login("juliet@example.org/balcony")
    balcony.transport.counts = True
    come(balcony)
    assert 0 < len(bodies(balcony.hears())) < 60
    world.passes(1)
    assert balcony.hears() == []
    for _ in range(8):
        balcony.transport.buffered = 0
        world.passes(1)
    assert len(bodies(balcony.hears())) > 30
    assert stored(world) == []


def test_another_resource_takes_over_where_one_leaves_in_the_middle(world: World, romeo: Client) -> None:
    romeo.says(*[CHAT.format(to=JULIET, id=f"m{n}" + "x" * 9000) for n in range(90)])
    balcony, chamber = [world.login(f"juliet@example.org/{name}") for name in ("balcony", "chamber")]
    balcony.transport.counts = True
    come(balcony)
    come(chamber)
    assert chamber.hears() == []
    romeo.says(CHAT.format(to=balcony.jid, id="new"))
    given = len(bodies(balcony.hears()))
    balcony.leaves()
    world.passes(1)
    heard = bodies(chamber.hears())
    assert len(heard) == 90 - given + 1
    assert "new" in heard
    assert (stored(world), chamber.account.offline_count) == ([], 0)


def test_nothing_is_stored_for_an_account_that_is_being_deleted(world: World, romeo: Client) -> None:
    account = world.run(world.host.accounts.load(JULIET))
    assert account is not None
    account.deleted = True
    romeo.says(CHAT.format(to=JULIET, id="m"))
    [error] = romeo.hears()
    assert error.find("error", CLIENT).first.name == "service-unavailable"


def test_what_is_kept_for_a_lost_session_keeps_its_time(world: World, romeo: Client, balcony: Client) -> None:
    romeo.says(CHAT.format(to=JULIET, id="m"))
    world.passes(30)
    balcony.drops()
    [row] = world.run(world.storage.offline.load(JULIET))
    assert row.stamp == START


@pytest.mark.parametrize("to", ["{}@example.org", "{}@example.org/balcony"])
@pytest.mark.parametrize("kind", ["chat", "normal", "headline", "groupchat"])
@pytest.mark.parametrize(
    "payload",
    [
        "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        "<body>psst</body><no-store xmlns='urn:xmpp:hints'/>",
    ],
)
def test_what_nobody_would_see_does_not_tell_who_exists(world: World, to: str, kind: str, payload: str) -> None:
    """RFC 6121 §8.5.1 leaves the choice; only a message that the account would find gets an error."""
    romeo = world.login("romeo@example.org/home")

    def answer(name: str) -> list[str]:
        romeo.says(f"<message to='{to.format(name)}' type='{kind}'>{payload}</message>")
        return [element.name for element in romeo.hears()]

    assert answer("juliet") == answer("nobody")
