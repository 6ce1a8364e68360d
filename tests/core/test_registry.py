"""Binding resources, conflicts, limits; sessions over a planned restart."""

import pytest

from tests.world import RecordingTransport, World
from xmpp_server.core import persistence
from xmpp_server.core.host import Limits
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.offline import Offline
from xmpp_server.jid import JID
from xmpp_server.modules.carbons import Carbons
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.storage.api import SavedSession

ROMEO = JID.parse("romeo@example.org")
MODULES = (Delivery, Offline, StreamManagementModule, Carbons)


def test_the_server_chooses_unguessable_resources() -> None:
    world = World()
    world.create(ROMEO)
    jids = {world.run(world.host.sessions.bind(ROMEO, None, RecordingTransport(), None)).jid for _ in range(5)}
    assert len(jids) == 5
    assert all(len(jid.resourcepart or "") >= 12 for jid in jids)


def test_the_newer_session_wins_a_resource() -> None:
    world = World()
    old = world.login("romeo@example.org/home")
    new = world.login("romeo@example.org/home")
    assert old.error is not None
    assert old.error.condition is StreamCondition.CONFLICT
    assert world.host.accounts.get("romeo").sessions == {"home": new.session}


def test_a_malformed_resource() -> None:
    world = World()
    world.create(ROMEO)
    with pytest.raises(StanzaError) as raised:
        world.run(world.host.sessions.bind(ROMEO, "\0", RecordingTransport(), None))
    assert raised.value.condition is Condition.BAD_REQUEST


def test_an_account_that_is_gone_cannot_bind() -> None:
    world = World()
    with pytest.raises(StreamError):
        world.run(world.host.sessions.bind(ROMEO, "home", RecordingTransport(), None))


def test_sessions_per_account_are_bounded_but_hibernated_ones_make_room() -> None:
    world = World(modules=MODULES, limits=Limits(sessions_per_account=2))
    one = world.login("romeo@example.org/one")
    world.login("romeo@example.org/two")
    with pytest.raises(StanzaError) as raised:
        world.login("romeo@example.org/three")
    assert raised.value.condition is Condition.RESOURCE_CONSTRAINT
    one.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    one.drops()
    world.login("romeo@example.org/three")
    assert one.session.closed


def test_sessions_survive_a_planned_restart() -> None:
    world = World(modules=MODULES)
    juliet = world.login("juliet@example.org/balcony")
    juliet.says(
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
        "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
    )
    token = next(element.get("id") for element in juliet.hears() if element.name == "enabled")
    romeo = world.login("romeo@example.org/home")
    romeo.says("<message to='juliet@example.org/balcony' type='chat' id='m'><body>x</body></message>")
    juliet.session.suspend()
    saved = persistence.save(juliet.session)

    after = World(modules=MODULES)
    after.create("juliet@example.org")
    assert after.run(persistence.restore(after.host, saved))
    session = after.host.sessions.find(token or "", JID.parse("juliet@example.org"))
    assert session is not None
    assert session.sm is not None
    assert session.sm.ledger.received == 1
    transport = RecordingTransport()
    session.attach(transport, None)
    session.acknowledge(1)  # the result of the carbons request
    session.resend()
    assert transport.take().count(b"<message") == 1
    other = after.login("juliet@example.org/chamber")
    romeo = after.login("romeo@example.org/home")
    romeo.says(f"<message to='{other.jid}' type='chat'><body>y</body></message>")
    assert b"urn:xmpp:carbons:2" in transport.take()  # what modules know of the session is back, too


def restarted() -> tuple[SavedSession, World]:
    """A session that was saved, and the world after the restart."""
    world = World(modules=MODULES)
    juliet = world.login("juliet@example.org/balcony")
    juliet.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    juliet.session.suspend()
    after = World(modules=MODULES)
    after.create("juliet@example.org")
    return persistence.save(juliet.session), after


def test_an_expired_or_damaged_saved_session_is_not_restored() -> None:
    saved, after = restarted()
    damaged = type(saved)(saved.token, saved.jid, b"\xff", saved.expires)
    assert not after.run(persistence.restore(after.host, damaged))
    after.passes(700)
    assert not after.run(persistence.restore(after.host, saved))


def test_a_restored_session_whose_client_never_comes_ends() -> None:
    saved, after = restarted()
    assert after.run(persistence.restore(after.host, saved))
    after.passes(700)
    assert after.host.accounts.active == {}


def test_a_disabled_account_cannot_bind() -> None:
    world = World()
    world.create(ROMEO)
    world.run(world.host.provisioning.set_enabled(ROMEO, False))
    with pytest.raises(StreamError):
        world.login("romeo@example.org/home")


def test_strangers_who_never_bind_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmpp_server.core.accounts.IDLE_LIMIT", 10)
    accounts = World().host.accounts
    for number in range(20):
        accounts.add_anonymous(JID.parse(f"stranger{number}@example.org"))
    assert accounts.get("stranger9") is None
    assert accounts.get("stranger10") is not None
