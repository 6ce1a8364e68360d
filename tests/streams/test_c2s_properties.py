"""Every state of the client-to-server stream meets every event; and any sequence of events keeps its promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.conftest import BIND, END, HEADER, PLAIN, STARTTLS, WRONG, Driver
from xmpp_server.errors import Condition, SaslCondition, SaslError, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.streams.events import Authenticated, Ended
from xmpp_server.streams.stream import State
from xmpp_server.xml.stanza import Stanza

JULIET = JID.parse("juliet@im.example.com/balcony")
SASL = b"xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
REGISTER = b"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>bill</username></query></iq>"
RESUME = b"<resume xmlns='urn:xmpp:sm:3' previd='p' h='1'/>"

BYTES = [
    b"",
    b" ",
    HEADER,
    HEADER.replace(b"im.example.com", b"example.net"),
    STARTTLS,
    PLAIN,
    WRONG,
    b"<auth %b mechanism='PLAIN'/>" % SASL,
    b"<auth %b mechanism='NO'/>" % SASL,
    b"<response %b/>" % SASL,
    b"<response %b>AGp1bGlldAByMG0zMG15cjBtMzA=</response>" % SASL,
    b"<abort %b/>" % SASL,
    BIND,
    BIND.replace(b"id='b1'", b""),
    REGISTER,
    REGISTER.replace(b"id='r'", b""),
    RESUME,
    RESUME.replace(b"'1'", b"'x'"),
    b"<enable xmlns='urn:xmpp:sm:3'/>",
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<a xmlns='urn:xmpp:sm:3' h='0'/>",
    b"<active xmlns='urn:xmpp:csi:0'/>",
    b"<message/>",
    b"<presence/>",
    b"<iq type='get' id='1'/>",
    b"<x xmlns='urn:x'/>",
    b"<stream:error/>",
    b"<mess",
    b"text",
    b"<!-- -->",
    b"<a></b>",
    b"\xff",
    b"x" * 50_000,
    END,
]

Event = Callable[[Driver], None]

CALLS: dict[str, Event] = {
    "tls": lambda d: d.stream.tls_established({}, True),
    "right": lambda d: d.take(d.stream.auth_answer(True, d.now)),
    "wrong": lambda d: d.take(d.stream.auth_answer(False, d.now)),
    "failing": lambda d: d.take(d.stream.auth_answer(SaslError(SaslCondition.ACCOUNT_DISABLED), d.now)),
    "registered": lambda d: d.take(d.stream.register_answer(None, d.now)),
    "register failed": lambda d: d.take(d.stream.register_answer(StanzaError(Condition.CONFLICT), d.now)),
    "bound": lambda d: d.take(d.stream.bound(JULIET)),
    "bind failed": lambda d: d.take(d.stream.bind_failed(StanzaError(Condition.CONFLICT), d.now)),
    "resumed": lambda d: d.take(d.stream.resumed(1, JULIET)),
    "resume failed": lambda d: d.take(d.stream.resume_failed(Condition.ITEM_NOT_FOUND, None, d.now)),
    "close": lambda d: d.close(),
    "close with error": lambda d: d.close(StreamError(StreamCondition.RESET)),
    "a second": lambda d: d.wait(1),
    "a minute": lambda d: d.wait(60),
}


def sending(data: bytes) -> Event:
    return lambda driver: driver.take(driver.stream.receive(data, driver.now))


EVENTS: dict[str, Event] = {f"{data[:90]!r}": sending(data) for data in BYTES} | CALLS


def asked(driver: Driver, *elements: bytes) -> None:
    driver.answering = False
    driver.send(*elements)


def closing(driver: Driver) -> None:
    driver.to_bound().close()


WAYS: dict[State, Event] = {
    State.HEADER: lambda d: None,
    State.FEATURES: lambda d: asked(d, HEADER),
    State.HANDSHAKE: lambda d: asked(d, HEADER, STARTTLS),
    State.SASL: lambda d: asked(d.to_tls(), b"<auth %b mechanism='PLAIN'/>" % SASL),
    State.ASKED: lambda d: asked(d.to_tls(), PLAIN),
    State.REGISTERING: lambda d: asked(d.to_tls(), REGISTER),
    State.AUTHENTICATED: lambda d: asked(d.to_authenticated()),
    State.BINDING: lambda d: asked(d.to_authenticated(), BIND),
    State.RESUMING: lambda d: asked(d.to_authenticated(), RESUME),
    State.BOUND: lambda d: asked(d.to_bound()),
    State.CLOSING: closing,
    State.CLOSED: lambda d: asked(d.to_bound(), END),
}


class Watched(Driver):
    """A driver that checks after each event what always holds."""

    def meet(self, event: Event) -> None:
        was_closed, username, jid = self.stream.closed, self.stream.username, self.stream.jid
        written, seen = len(self.wire), len(self.events)
        event(self)
        self.flush()
        assert isinstance(self.stream._state, State)
        assert self.stream.closed == self.over
        assert sum(isinstance(each, Ended) for each in self.events) <= 1
        if was_closed:
            assert (len(self.wire), len(self.events)) == (written, seen)
        if username is not None:
            assert self.stream.username == username
        if jid is not None:
            assert self.stream.jid == jid
        self.check_order()

    def check_order(self) -> None:
        """Assert that stanzas come only once there is a session, which comes only once there is a user."""
        if any(isinstance(event, Stanza) for event in self.events):
            assert self.stream.jid is not None
        if self.stream.jid is not None:
            assert self.stream.username is not None
        if self.stream.username is not None:
            assert any(isinstance(event, Authenticated) for event in self.events)
            assert self.stream.channel.secure

    def finish(self) -> None:
        """Assert that the stream can be ended in a bounded time, whatever it waits for."""
        self.close()
        self.wait(5)
        assert self.over
        assert self.stream.deadline is None
        assert self.wire.count(END) <= 1


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
@pytest.mark.parametrize("state", WAYS, ids=lambda state: state.name)
def test_every_state_meets_every_event(state: State, event: Event) -> None:
    driver = Watched()
    WAYS[state](driver)
    assert driver.stream._state is state
    driver.answering = False
    driver.meet(event)
    driver.meet(sending(HEADER + b"<message/>"))
    driver.finish()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=25), st.booleans())
def test_any_sequence_keeps_the_promises(names: list[str], answering: bool) -> None:
    driver = Watched()
    driver.answering = answering
    for name in names:
        driver.meet(EVENTS[name])
    driver.finish()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(BYTES[1:]), max_size=12), st.data())
def test_chunks_make_no_difference(elements: list[bytes], data: st.DataObject) -> None:
    session = HEADER + PLAIN + HEADER + BIND + b"".join(elements)
    at_once, in_pieces = Watched(), Watched()
    for driver in (at_once, in_pieces):
        driver.handshake()
    at_once.send(session)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(session)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(session)], strict=True):
        in_pieces.send(session[start:end])
    assert in_pieces.wire == at_once.wire
    assert [type(event) for event in in_pieces.events] == [type(event) for event in at_once.events]
