"""XEP-0199: pongs, and clients that are gone without a word."""

from __future__ import annotations

import pytest

from tests.modules.conftest import IM, condition
from tests.world import Client, World
from xmpp_server.errors import StreamCondition
from xmpp_server.modules.ping import Ping, PingConfig

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
def world() -> World:
    return World("example.org", modules=(*IM, lambda: Ping(PingConfig(idle_s=300.0, timeout_s=30.0))))


@pytest.fixture
def juliet(world: World) -> Client:
    return world.login("juliet@example.org/balcony")


@pytest.mark.parametrize("to", [None, "example.org", "juliet@example.org"])
def test_a_ping_is_answered(juliet: Client, to: str | None) -> None:
    answer = juliet.asks("get", PING, to=to)
    assert (answer.get("type"), answer.first) == ("result", None)


def test_the_account_of_another_is_not_pinged(world: World, juliet: Client) -> None:
    world.create("romeo@example.org")
    assert condition(juliet.asks("get", PING, to="romeo@example.org")) == "service-unavailable"


def test_a_silent_client_is_asked_and_then_dropped(world: World, juliet: Client) -> None:
    world.passes(330)
    [question] = juliet.hears()
    assert (question.get("type"), question.get("from")) == ("get", "example.org")
    world.passes(31)
    assert juliet.error is not None
    assert juliet.error.condition is StreamCondition.CONNECTION_TIMEOUT


def test_a_client_that_answers_stays(world: World, juliet: Client) -> None:
    world.passes(330)
    [question] = juliet.hears()
    juliet.session.last_received = world.host.now()
    juliet.says(f"<iq type='result' id='{question.get('id')}' to='example.org'/>")
    world.passes(60)
    assert not juliet.transport.closed


def test_a_hibernated_session_is_left_alone(world: World, juliet: Client) -> None:
    world.host.sessions.manage(juliet.session, resume=True, max_s=None)
    juliet.drops()
    world.passes(400)
    assert not juliet.session.closed
