"""Tests of xmpp_server.modules.muc.turnstile: a crowd comes and goes in turns, in its order, and completely."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.modules.muc.conftest import CRONE, ENTRY, ROOM, Coven, make_world
from xmpp_server.modules.muc import turnstile


@pytest.fixture
def coven(monkeypatch: pytest.MonkeyPatch) -> Coven:
    """A room that one may enter in a turn."""
    monkeypatch.setattr(turnstile, "PER_TURN", 1)
    coven = Coven(make_world())
    coven.founded()
    return coven


@pytest.fixture
def crowd(coven: Coven) -> list[str]:
    """People who are about to come."""
    people = [f"u{number}@example.org/x" for number in range(20)]
    for jid in people:
        coven.client(jid)
    return people


@contextlib.contextmanager
def at_once(coven: Coven) -> Iterator[None]:
    """Let nothing that waits go on meanwhile."""
    settle, coven.world.runtime.settle = coven.world.runtime.settle, lambda: None  # type: ignore[method-assign]
    yield
    coven.world.runtime.settle = settle  # type: ignore[method-assign]


def come(coven: Coven, people: list[str]) -> None:
    with at_once(coven):
        for number, jid in enumerate(people):
            coven.client(jid).says(f"<presence to='{ROOM}/n{number}'>{ENTRY}</presence>")


def test_a_crowd(coven: Coven, crowd: list[str]) -> None:
    come(coven, crowd)
    occupants = coven.open().room.occupants
    assert len(occupants) < len(crowd) / 2
    coven.world.settle()
    assert [occupant.nick for occupant in occupants][1:] == [f"n{number}" for number in range(len(crowd))]
    for jid in crowd:  # of everybody, and of the subject
        assert len(coven.client(jid).hears()) == len(crowd) + 2


def test_what_a_client_says_next_waits_with_it(coven: Coven, crowd: list[str]) -> None:
    come(coven, crowd)
    last = coven.client(crowd[-1])
    last.says(f"<message type='groupchat' to='{ROOM}' id='m'><body>hi</body></message>")
    assert [one.get("id") for one in last.hears() if one.name == "message"][-1] == "m"


def test_who_has_gone_meanwhile_does_not_enter(coven: Coven, crowd: list[str]) -> None:
    come(coven, crowd)
    coven.world.clients[crowd[-1]].session.end()
    coven.world.settle()
    nicks = [occupant.nick for occupant in coven.open().room.occupants]
    assert f"n{len(crowd) - 1}" not in nicks
    assert len(nicks) == len(crowd)


def test_a_crowd_that_goes(coven: Coven, crowd: list[str]) -> None:
    come(coven, crowd)
    coven.world.settle()
    owner = coven.client(CRONE)
    owner.hears()
    with at_once(coven):
        for jid in crowd:
            coven.client(jid).leaves()
    assert len(coven.open().room.occupants) > len(crowd) / 2
    owner.says(f"<message type='groupchat' to='{ROOM}'><body>Anybody there?</body></message>")
    coven.world.settle()
    heard = owner.hears()
    assert sum(one.get("type") == "unavailable" for one in heard) == len(crowd)
    assert [occupant.nick for occupant in coven.open().room.occupants] == ["firstwitch"]


def test_who_comes_back_in_the_crowd(coven: Coven, crowd: list[str]) -> None:
    come(coven, crowd)
    coven.world.settle()
    with at_once(coven):
        for jid in crowd:
            coven.client(jid).leaves()
    back = coven.world.online(crowd[-1])
    back.says(f"<presence to='{ROOM}/n{len(crowd) - 1}'>{ENTRY}</presence>")
    assert [occupant.nick for occupant in coven.open().room.occupants] == ["firstwitch", f"n{len(crowd) - 1}"]
    assert coven.open().room.occupants.seats[back.jid].session is back.session
