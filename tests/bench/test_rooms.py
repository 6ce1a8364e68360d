"""The checks on rooms are checked, with a room in memory that can be told to misbehave."""

import re
from collections.abc import Callable

import pytest

from bench.load.crowd import Crowd, CrowdError
from bench.load.reactor import Reactor
from bench.load.rooms import Rooms
from bench.load.session import Session, SessionOptions
from tests.bench.deliveries import Delivery, spoil

OPTIONS = SessionOptions("127.0.0.1", 1, b"localhost", b"secret")
TO = re.compile(rb"^<message to='([^']*)'")
ROOMS, OCCUPANTS = 2, 3


class Wire:
    """Takes what sessions send; delivers it to all in the room when told to."""

    def __init__(self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
        self.crowd = crowd
        self.sent: Delivery = []
        monkeypatch.setattr(Session, "send_stanza", lambda session, stanza: self.sent.append((session, stanza)))

    def messages(self) -> Delivery:
        """Return (receiver, stanza as stamped) of all messages under way."""
        under_way, self.sent = self.sent, []
        delivery: Delivery = []
        for sender, stanza in under_way:
            to = TO.match(stanza)
            assert to is not None
            stamped = stanza.replace(b"<message", b"<message from='%s/n%d'" % (to[1], sender.index), 1)
            first = sender.index // OCCUPANTS * OCCUPANTS
            delivery += [(one, stamped) for one in self.crowd.sessions[first : first + OCCUPANTS]]
        return delivery


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Reactor(), OPTIONS, ROOMS * OCCUPANTS)


def deliver(delivery: Delivery) -> None:
    for session, stanza in delivery:
        session.on_element(session, stanza)


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        (lambda delivery: delivery, ""),
        (lambda delivery: [*delivery, delivery[0]], "1 duplicated"),
        (lambda delivery: delivery[1:], "1 lost"),
        (lambda delivery: [(delivery[3][0], delivery[0][1]), *delivery[1:]], "1 lost, 1 misrouted"),
        (spoil(b"/n0'", b"/n1'"), "1 wrong-from"),
        (spoil(b" from='", b" from='x' from='"), "1 wrong-from"),
        (spoil(b"xxx<", b"xx<"), "1 altered"),
        (spoil(b"<body>", b"<body>1"), "1 lost, 1 stale"),
        (spoil(b"type='groupchat'", b"type='error'"), "1 errors, 1 lost"),
        (lambda delivery: [*delivery, (delivery[0][0], b"<message type='groupchat'><subject/></message>")], ""),
    ],
)
def test_each_fault_is_seen(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Delivery], Delivery], fault: str
) -> None:
    monkeypatch.setattr("bench.load.workload.DRAIN_S", 0.0)
    wire = Wire(crowd, monkeypatch)
    rooms = Rooms(crowd, OCCUPANTS)
    rooms.begin()
    for _ in range(3):
        deliver(wire.messages())
    rooms.running = False
    deliver(tamper(wire.messages()))
    rooms.finish()
    assert rooms.faults.text() == fault


def test_who_speaks_goes_on_once_all_have_heard(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(crowd, monkeypatch)
    rooms = Rooms(crowd, OCCUPANTS, window=2)
    rooms.begin()
    assert [session.index for session, _ in wire.sent] == [0, 0, 3, 3]
    first = wire.messages()[:OCCUPANTS]
    deliver(first[:-1])
    assert wire.sent == []
    deliver(first[-1:])
    assert [session.index for session, _ in wire.sent] == [0]
    assert rooms.delivered == OCCUPANTS


def test_who_is_not_let_in_is_told(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(crowd, monkeypatch)
    rooms = Rooms(crowd, OCCUPANTS)

    def run_until(done: Callable[[], bool], _timeout_s: float) -> bool:
        done()
        session, _ = wire.sent[0]
        session.on_element(session, b"<presence type='error' from='r'><error type='cancel'/></presence>")
        return done()

    monkeypatch.setattr(crowd.reactor, "run_until", run_until)
    with pytest.raises(CrowdError, match="6 of 6 are not in their rooms"):
        rooms.enter()
