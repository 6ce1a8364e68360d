"""XEP-0198 on a session: counting modulo 2**32, limits, resumption."""

import pytest

from tests.world import Client, World
from xmpp_server.core.host import Limits
from xmpp_server.core.management import MODULUS
from xmpp_server.core.session import Session
from xmpp_server.errors import StreamCondition
from xmpp_server.im.delivery import Delivery
from xmpp_server.modules.stream_management import StreamManagementModule


def managed(world: World, jid: str) -> Client:
    client = world.login(jid)
    client.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    [enabled] = client.hears()
    assert enabled.name == "enabled"
    return client


@pytest.fixture
def world() -> World:
    return World(modules=(Delivery, StreamManagementModule))


def send(world: World, to: Client, count: int) -> None:
    sender = world.login("romeo@example.org/home")
    for number in range(count):
        sender.says(f"<message to='{to.jid}' id='m{number}'><body>x</body></message>")


def test_enable_offers_resumption_for_a_bounded_time(world: World) -> None:
    client = world.login("juliet@example.org/balcony")
    client.says("<enable xmlns='urn:xmpp:sm:3' resume='1' max='30'/>")
    [enabled] = client.hears()
    assert enabled.get("resume") == "true"
    assert enabled.get("max") == "30"
    assert world.host.sessions.find(enabled.get("id"), client.account.jid) is client.session
    assert world.host.sessions.find(enabled.get("id"), "romeo@example.org") is None


def test_a_second_enable_is_refused(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    client.says("<enable xmlns='urn:xmpp:sm:3'/>")
    [failed] = client.hears()
    assert failed.name == "failed"
    assert failed.first.name == "unexpected-request"


def test_every_request_is_answered(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    client.says(*["<r xmlns='urn:xmpp:sm:3'/>"] * 200)
    assert [element.get("h") for element in client.hears()] == ["0"] * 200


@pytest.mark.parametrize("h", ["-1", "banana", "", str(10**22)])
def test_a_malformed_h_ends_the_stream(world: World, h: str) -> None:
    client = managed(world, "juliet@example.org/balcony")
    client.says(f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
    assert client.error is not None
    assert client.error.condition is StreamCondition.POLICY_VIOLATION


def test_acknowledging_what_was_never_sent_ends_the_stream(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    send(world, client, 2)
    client.says("<a xmlns='urn:xmpp:sm:3' h='3'/>")
    assert client.error is not None
    assert client.error.condition is StreamCondition.UNDEFINED_CONDITION
    assert b"handled-count-too-high" in client.error.app_xml
    assert b"send-count='2'" in client.error.app_xml


def test_h_wraps(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    sm = client.session.sm
    assert sm is not None
    sm.queue.acknowledged = MODULUS - 1
    sm.ledger.received = MODULUS - 1
    send(world, client, 3)
    client.says("<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert client.error is None
    assert len(sm.queue) == 1
    client.hears()
    client.says("<message to='romeo@example.org/home'/>", "<r xmlns='urn:xmpp:sm:3'/>")
    assert [e.get("h") for e in client.hears() if e.name == "a"] == ["0"]


def test_requests_are_sent_now_and_then_not_for_each_stanza(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    send(world, client, 20)
    names = [element.name for element in client.hears()]
    assert names.count("message") == 20
    assert names.count("r") == 1
    client.says("<a xmlns='urn:xmpp:sm:3' h='20'/>")
    world.passes(2)
    assert client.hears() == []


def test_a_client_that_never_acknowledges_is_let_go() -> None:
    world = World(modules=(Delivery, StreamManagementModule), limits=Limits(unacknowledged_stanzas=10))
    client = managed(world, "juliet@example.org/balcony")
    send(world, client, 15)
    assert client.error is not None
    assert client.error.condition is StreamCondition.RESOURCE_CONSTRAINT
    assert client.session.closed


def test_a_client_that_does_not_answer_requests_is_gone(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    send(world, client, 1)
    world.passes(60)
    assert client.error is not None
    assert client.error.condition is StreamCondition.CONNECTION_TIMEOUT
    assert not client.session.closed  # it may resume
    world.passes(600)
    assert client.session.closed


def test_hibernated_sessions_are_bounded() -> None:
    world = World(modules=(Delivery, StreamManagementModule), limits=Limits(hibernated_per_account=2))
    clients = [managed(world, f"juliet@example.org/{name}") for name in "abc"]
    for client in clients:
        client.drops()
    assert [client.session.closed for client in clients] == [True, False, False]


def test_who_was_silent_longest_makes_room_and_not_who_has_just_lost_the_connection() -> None:
    world = World(modules=(Delivery, StreamManagementModule), limits=Limits(hibernated_per_account=2))
    hanging, first, second = (managed(world, f"juliet@example.org/{name}") for name in "abc")
    second.drops()
    world.passes(1)
    first.session.last_received = world.host.now()
    first.drops()
    hanging.resumes()
    assert not hanging.session.closed
    hanging.drops()
    assert [client.session.closed for client in (hanging, first, second)] == [False, False, True]


def test_resume_replaces_a_connection_that_hangs(world: World) -> None:
    client = managed(world, "juliet@example.org/balcony")
    old = client.transport
    client.resumes()
    assert old.error is not None
    assert old.error.condition is StreamCondition.CONFLICT
    assert client.session.transport is client.transport


def test_a_client_that_makes_too_much_wait_is_let_go() -> None:
    limits = Limits(unacknowledged_bytes=20_000)
    world = World(modules=(Delivery, StreamManagementModule), limits=limits)
    client = managed(world, "juliet@example.org/balcony")
    client.drops()
    sender = world.login("romeo@example.org/home")
    for _ in range(3):
        sender.says(f"<message to='{client.jid}'><body>{'x' * 9000}</body></message>")
    assert client.session.closed


def test_what_was_acknowledged_does_not_count_as_waiting() -> None:
    world = World(modules=(Delivery, StreamManagementModule), limits=Limits(unacknowledged_bytes=20_000))
    client = managed(world, "juliet@example.org/balcony")
    sender = world.login("romeo@example.org/home")
    for number in range(1, 6):
        sender.says(f"<message to='{client.jid}'><body>{'x' * 9000}</body></message>")
        client.says(f"<a xmlns='urn:xmpp:sm:3' h='{number}'/>")
    client.drops()
    client.resumes()
    assert not client.session.closed


def test_a_session_that_may_not_wait_ends_when_its_connection_breaks() -> None:
    world = World(modules=(Delivery, StreamManagementModule), limits=Limits(hibernated_per_account=0))
    hibernated: list[Session] = []
    world.host.hooks.session_hibernated.add(hibernated.append)
    client = managed(world, "juliet@example.org/balcony")
    client.drops()
    assert client.session.closed
    assert hibernated == []


def test_a_client_that_waits_for_its_answer_is_told_what_is_safe_so_far(world: World) -> None:
    """Many clients take some silence for a dead connection, and another server may be slow to acknowledge."""
    client = managed(world, "romeo@example.org/home")
    sm = client.session.sm
    assert sm is not None
    client.says("<presence/>")
    slow = sm.ledger.receive()
    slow.hold()

    def answers() -> list[str | None]:
        return [one.get("h") for one in client.hears() if one.name == "a"]

    client.says("<presence/>", "<r xmlns='urn:xmpp:sm:3'/>")
    world.passes(4)
    assert answers() == []
    world.passes(3)
    assert answers() == ["1"]
    world.passes(20)
    assert answers() == []
    slow.release()
    assert answers() == ["3"]
    client.says("<r xmlns='urn:xmpp:sm:3'/>")
    assert answers() == ["3"]
