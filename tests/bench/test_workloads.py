"""The checks are checked: loads on sessions joined by a server in memory that can be told to misbehave."""

import re
from collections.abc import Callable

import pytest

from bench.load.chat import Chat
from bench.load.crowd import Crowd
from bench.load.presence import Presence, contacts_of
from bench.load.reactor import Reactor
from bench.load.session import Session, SessionOptions
from tests.bench.deliveries import Delivery, spoil

OPTIONS = SessionOptions("127.0.0.1", 1, b"localhost", b"secret")
TO = re.compile(rb"^<message to='u(\d+)@localhost'")


class Wire:
    """Takes what sessions send; delivers it when told to."""

    def __init__(self, crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
        self.crowd = crowd
        self.sent: list[tuple[Session, bytes]] = []
        for session in crowd.sessions:
            session.address = session.bare + b"/bench"
        monkeypatch.setattr(Session, "send_stanza", lambda session, stanza: self.sent.append((session, stanza)))

    def messages(self) -> list[tuple[Session, bytes]]:
        """Return (receiver, stanza as stamped) of all messages under way."""
        under_way, self.sent = self.sent, []
        stamped = []
        for sender, stanza in under_way:
            to = TO.match(stanza)
            assert to is not None
            receiver = self.crowd.sessions[int(to[1])]
            stamped.append((receiver, stanza.replace(b"<message", b"<message from='%s'" % sender.address, 1)))
        return stamped


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Reactor(), OPTIONS, 4)


def swap_users(delivery: Delivery) -> Delivery:
    return [(delivery[2][0], delivery[0][1]), *delivery[1:]]


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [
        (lambda delivery: delivery, ""),
        (lambda delivery: [*delivery, delivery[0]], "1 duplicated"),
        (lambda delivery: delivery[1:], "1 lost"),
        (swap_users, "1 lost, 1 misrouted"),
        (spoil(b"/bench'", b"/bensh'"), "1 wrong-from"),
        (spoil(b" from='", b" from='x' from='"), "1 wrong-from"),
        (spoil(b"xxx<", b"xx<"), "1 altered"),
        (spoil(b"<body>", b"<body>1"), "1 lost, 1 stale"),
        (spoil(b"type='chat'", b"type='error'"), "1 errors, 1 lost"),
    ],
)
def test_each_fault_of_a_chat_is_seen(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Delivery], Delivery], fault: str
) -> None:
    monkeypatch.setattr("bench.load.workload.DRAIN_S", 0.0)
    wire = Wire(crowd, monkeypatch)
    chat = Chat(crowd)
    chat.begin()
    for _ in range(3):
        for session, stanza in wire.messages():
            session.on_element(session, stanza)
    chat.running = False
    for session, stanza in tamper(wire.messages()):
        session.on_element(session, stanza)
    chat.finish()
    assert chat.faults.text() == fault


def test_a_late_message_of_a_run_given_up_is_stale(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.load.workload.DRAIN_S", 0.0)
    wire = Wire(crowd, monkeypatch)
    chat = Chat(crowd)
    chat.begin()
    late = wire.messages()
    chat.finish()
    for session, stanza in late:
        session.on_element(session, stanza)
    assert chat.faults.text() == "4 lost, 4 stale"
    assert chat.delivered == 0


def test_presence_goes_on_once_all_contacts_have_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(Reactor(), OPTIONS, 6, "p")
    wire = Wire(crowd, monkeypatch)
    presence = Presence(crowd, contacts=2, active=1)
    presence.begin()
    (sender, stanza), *more = wire.sent
    assert (sender.index, more) == (0, [])
    wire.sent.clear()
    stamped = stanza.replace(b"<presence", b"<presence from='%s'" % sender.address, 1)
    for index in contacts_of(0, 6, 2):
        assert not wire.sent
        crowd.sessions[index].on_element(crowd.sessions[index], stamped)
    assert [session.index for session, _ in wire.sent] == [1]
    crowd.sessions[3].on_element(crowd.sessions[3], stamped)
    assert (presence.delivered, presence.faults.text()) == (2, "1 misrouted")
