from __future__ import annotations

import pytest

from tests.world import World
from xmpp_server.app.control import ControlError
from xmpp_server.app.live import LiveHosts


@pytest.fixture
def world():
    return World("example.org")


@pytest.fixture
def live(world):
    return LiveHosts(world.hosts, {"c2s": ["127.0.0.1:5222"]})


async def test_status_counts_sessions(world, live):
    world.login("romeo@example.org/home")
    status = await live.status({})
    assert status["running"] is True
    assert status["sessions"] == 1
    assert status["hibernated"] == 0
    assert status["domains"] == ["example.org"]
    assert status["addresses"] == {"c2s": ["127.0.0.1:5222"]}


async def test_sessions_are_listed_in_order(world, live):
    world.login("romeo@example.org/home")
    world.login("juliet@example.org/balcony")
    rows = await live.sessions({})
    assert [row["jid"] for row in rows] == ["juliet@example.org/balcony", "romeo@example.org/home"]
    assert rows[0]["state"] == "connected"
    assert rows[0]["presence"] == "unavailable"


async def test_a_full_jid_ends_one_session_a_bare_one_all(world, live):
    for resource in ("a", "b", "c"):
        world.login(f"romeo@example.org/{resource}")
    assert (await live.kick({"jid": "romeo@example.org/a"}))["ended"] == 1
    assert (await live.kick({"jid": "Romeo@Example.org"}))["ended"] == 2
    with pytest.raises(ControlError, match="has no session"):
        await live.kick({"jid": "romeo@example.org"})
    with pytest.raises(ControlError, match="is no address"):
        await live.kick({"jid": "@"})
    with pytest.raises(ControlError, match="is no address"):
        await live.kick({})
