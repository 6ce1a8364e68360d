"""The selector of the event loop: bounded turns, fairness, and what asyncio asks of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from xmpp_server.net import selector as module
from xmpp_server.net.selector import AT_ONCE, TurnSelector, event_loop


@pytest.fixture
def selector() -> Iterator[TurnSelector]:
    made = TurnSelector()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_all_are_served_before_one_is_served_twice(selector: TurnSelector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 4)
    pairs = [socket.socketpair() for _ in range(10)]
    for number, (ours, theirs) in enumerate(pairs):
        selector.register(ours.fileno(), EVENT_READ, number)
        theirs.send(b"123")
    served: list[int] = []
    for _ in range(5):
        ready = selector.select(0)
        assert len(ready) <= 4
        for key, _events in ready:
            served.append(key.data)
            pairs[key.data][0].recv(1)  # and two are left
    assert sorted(served[:10]) == sorted(served[10:20]) == list(range(10))
    for both in pairs:
        for one in both:
            one.close()


def test_what_is_ready(selector: TurnSelector, pair: Pair) -> None:
    ours, theirs = pair
    key = selector.register(ours, EVENT_READ, "data")
    assert selector.select(0) == []
    assert selector.select(0.01) == []
    theirs.send(b"x")
    assert selector.select() == [(key, EVENT_READ)]
    key = selector.modify(ours.fileno(), EVENT_READ | EVENT_WRITE, "other")
    assert selector.select(0) == [(key, EVENT_READ | EVENT_WRITE)]
    assert selector.modify(ours, EVENT_READ | EVENT_WRITE, "third").data == "third"
    selector.modify(ours, EVENT_WRITE)
    theirs.close()
    [(_, events)] = selector.select(0)
    assert events == EVENT_WRITE


def test_knows_what_it_watches(selector: TurnSelector, pair: Pair) -> None:
    ours, theirs = pair
    key = selector.register(ours, EVENT_READ)
    assert selector.get_key(ours) is selector.get_key(ours.fileno()) is key
    assert dict(selector.get_map()) == {ours.fileno(): key}
    with pytest.raises(KeyError):
        selector.register(ours.fileno(), EVENT_READ)
    for ask in (selector.get_key, selector.unregister, lambda one: selector.modify(one, EVENT_READ)):
        with pytest.raises(KeyError):
            ask(theirs)
    assert selector.unregister(ours) is key
    assert not selector.get_map()
    theirs.send(b"x")
    assert selector.select(0) == []


def test_a_closed_file(selector: TurnSelector, pair: Pair) -> None:
    number = pair[0].fileno()
    selector.register(number, EVENT_READ)
    pair[0].close()
    assert selector.select(0) == []
    selector.unregister(number)
    with pytest.raises(OSError, match="Bad file descriptor"):
        selector.register(number, EVENT_READ)
    assert not selector.get_map()


def test_the_loop_gives_others_their_turn() -> None:
    """While many sockets are busy, what was called soon does not wait for all of them."""
    turns = 0
    served: list[int] = []
    pairs = [socket.socketpair() for _ in range(3 * AT_ONCE)]

    def serve(one: socket.socket) -> None:
        served.append(len(one.recv(1)))

    async def main() -> None:
        nonlocal turns
        loop = asyncio.get_running_loop()
        for ours, theirs in pairs:
            loop.add_reader(ours, serve, ours)
            theirs.send(b"x")
        while len(served) < len(pairs):
            before = len(served)
            await asyncio.sleep(0)
            turns += len(served) > before
        for ours, _ in pairs:
            loop.remove_reader(ours)
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
        assert await loop.run_in_executor(None, lambda: 1) == 1

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(main())
    assert turns >= 3
    for both in pairs:
        for one in both:
            one.close()
