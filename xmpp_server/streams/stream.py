"""RFC 6120 §4: what the server's side of any stream does — its bytes, its order, its deadline, its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

from xmpp_server.errors import SaslError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.streams import header
from xmpp_server.streams.events import Ended, StreamEvent
from xmpp_server.streams.policy import HostPolicy, StreamPolicy
from xmpp_server.xml.scanner import Event as ScanEvent
from xmpp_server.xml.scanner import Scanner, StreamFooter, StreamHeader
from xmpp_server.xml.stanza import Stanza


class State(Enum):
    """What a stream waits for."""

    HEADER = auto()
    FEATURES = auto()
    HANDSHAKE = auto()
    SASL = auto()
    #: The answer to an `AuthQuery`, or a `JudgeRequest`.
    ASKED = auto()
    #: The answer to a `RegisterRequest`.
    REGISTERING = auto()
    AUTHENTICATED = auto()
    #: The answer to a `BindRequest`.
    BINDING = auto()
    #: The answer to a `ResumeRequest`.
    RESUMING = auto()
    BOUND = auto()
    #: The client's closing tag; ours is sent.
    CLOSING = auto()
    CLOSED = auto()

    __hash__ = object.__hash__  # enum's own is no C function, and is called for each look into a table


#: Where a question to the driver is open.
_WAITING = frozenset({State.ASKED, State.REGISTERING, State.BINDING, State.RESUMING})
#: Where elements are handled one by one, because each may change what the next bytes are.
_STEPPING = frozenset({State.HEADER, State.FEATURES, State.SASL, State.AUTHENTICATED})

#: How many elements' worth of bytes may wait while a question is open. The driver pauses reading meanwhile.
_HELD_ELEMENTS = 4

Events: TypeAlias = list[StreamEvent]


class Stream(ABC):
    """The part of a stream that does not depend on who the peer is.

    The driver feeds `receive`, obeys the events it returns, writes `outgoing()` after each call, and calls `timeout`
    at the `deadline`. Times are monotonic seconds. Methods that come too late (an answer for a stream that has ended
    meanwhile) do nothing. No method raises for anything that the peer does.
    """

    __slots__ = (
        "_answered",
        "_error",
        "_held",
        "_limits",
        "_out",
        "_policy",
        "_refusals",
        "_scanner",
        "_state",
        "deadline",
        "host",
        "jid",
    )

    def __init__(self, policy: StreamPolicy, now: float) -> None:
        self._policy = policy
        self._limits = policy.limits
        self._state = State.HEADER
        self._scanner = self._new_scanner()
        self._out = b""
        #: Bytes that arrived while a question was open.
        self._held: bytearray | None = None
        #: Whether the response header of the current stream is sent.
        self._answered = False
        self._refusals = 0
        self._error: StreamError | None = None
        #: When to call `timeout`, or None. Negotiation ends at a fixed time, however much arrives until then.
        self.deadline: float | None = now + self._limits.negotiation_s
        #: The virtual host that the peer has named, once it is known.
        self.host: HostPolicy | None = None
        #: The peer's address, once the stream carries stanzas.
        self.jid: JID | None = None

    @property
    def waiting(self) -> bool:
        """Whether a question to the driver is open, so that reading more is of no use."""
        return self._state in _WAITING

    @property
    def closed(self) -> bool:
        """Whether the stream has ended."""
        return self._state is State.CLOSED

    @property
    def error(self) -> StreamError | None:
        """The error that ended the stream, if one did."""
        return self._error

    def outgoing(self) -> bytes:
        """Return the bytes to write, and forget them."""
        out, self._out = self._out, b""
        return out

    def lost(self) -> None:
        """The connection is gone: let go of what a scanner holds in the middle of a stanza."""
        self._state = State.CLOSED
        self.deadline = None
        self._held = None
        self._scanner.close()

    def timeout(self, now: float) -> Events:
        """End what has lasted until `deadline`; do nothing before it."""
        events: Events = []
        if self.deadline is None or now < self.deadline:
            return events
        if self._state is State.CLOSING:
            self._end(self._error, events)
        else:
            self._fail(StreamError(StreamCondition.CONNECTION_TIMEOUT), events)
        return events

    def close(self, now: float, error: StreamError | None = None) -> Events:
        """Close the stream from this side and give the peer some time to do the same (RFC 6120 §4.4).

        Without an error what the peer still sends is passed on until its closing tag.
        """
        events: Events = []
        if self._state in (State.CLOSING, State.CLOSED):
            return events
        if self._state is State.HANDSHAKE:
            self._end(error, events)
            return events
        self._write_end(error)
        self._error = error
        self._state = State.CLOSING
        self._scanner.step = False
        self.deadline = now + self._limits.close_s
        self._drain(self._take_held(), events)
        return events

    @abstractmethod
    def receive(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes of the peer."""

    @abstractmethod
    def _open(self, event: StreamHeader) -> None:
        """Answer the header of a stream."""

    @abstractmethod
    def _transition(self, element: Stanza, events: Events) -> None:
        """Take the step that the table of states has for an element."""

    @abstractmethod
    def _passes(self, element: Stanza) -> bool:
        """Tell whether an element belongs to whoever the stream was set up for."""

    @abstractmethod
    def _authentication_failed(self, failure: SaslError, events: Events) -> None:
        """Tell the peer that its authentication failed."""

    # taking bytes

    def _negotiate(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes in any state but BOUND."""
        events: Events = []
        if self._state is State.CLOSED or not data:
            return events
        if self._state is State.CLOSING:
            self._drain(data, events)
        elif self._state is State.HANDSHAKE:
            self._end(StreamError(StreamCondition.POLICY_VIOLATION, "Bytes in clear after <proceed/>"), events)
        elif self._state in _WAITING:
            self._hold(data, events)
        else:
            self._step(data, now, events)
        return events

    def _hold(self, data: bytes | memoryview, events: Events) -> None:
        """Keep bytes that arrive behind an open question."""
        if self._held is None:
            self._held = bytearray()
        self._held += data
        if len(self._held) > _HELD_ELEMENTS * self._scanner.limits.stanza_bytes:
            self._fail(StreamError(StreamCondition.POLICY_VIOLATION, "Wait for the answer"), events)

    def _take_held(self) -> bytes:
        held, self._held = self._held, None
        return b"" if held is None else bytes(held)

    def _go_on(self, now: float, events: Events) -> None:
        """Handle what a question has kept waiting, if it was not followed by another."""
        if self._state in _STEPPING:
            self._step(self._take_held(), now, events)

    def _step(self, data: bytes | memoryview, now: float, events: Events) -> None:
        """Handle the peer's elements one by one, until one of them makes the stream wait."""
        if self.deadline is not None and now >= self.deadline:
            events += self.timeout(now)
            return
        batch = self._scanner.feed(data)
        while batch:
            for event in batch:
                self._handle(event, events)
            if self._state not in _STEPPING or not self._scanner.pending:
                return
            batch = self._scanner.feed(b"")

    def _sift(self, batch: list[ScanEvent]) -> Events:
        """Pass on what belongs to the session and handle the rest, in their order."""
        events: Events = []
        for event in batch:
            if isinstance(event, Stanza) and self._passes(event):
                events.append(event)
            else:
                self._handle(event, events)
            if self._state is not State.BOUND:
                break
        return events

    def _drain(self, data: bytes | memoryview, events: Events) -> None:
        """Wait for the peer's closing tag."""
        for event in self._scanner.feed(data):
            if isinstance(event, StreamFooter | StreamError):
                self._end(self._error, events)
                return
            if self.jid is not None and self._error is None and isinstance(event, Stanza) and self._passes(event):
                events.append(event)

    def _handle(self, event: ScanEvent, events: Events) -> None:
        if isinstance(event, Stanza):
            self._attempt(lambda: self._transition(event, events), events)
        elif isinstance(event, StreamHeader):
            self._attempt(lambda: self._open(event), events)
        elif isinstance(event, StreamFooter):
            self._out += header.CLOSING_TAG
            self._end(None, events)
        else:
            self._fail(event, events)

    def _attempt(self, action: Callable[[], None], events: Events) -> None:
        """Run one transition; the one place where errors become elements."""
        try:
            try:
                action()
            except SaslError as failure:
                self._authentication_failed(failure, events)
        except StreamError as error:
            self._fail(error, events)

    # refusals and ends

    def _refuse(self, answer: bytes) -> None:
        """Write a refusal, and lose patience after some of them."""
        self._out += answer
        self._refusals += 1
        if self._refusals >= self._limits.refusals:  # RFC 6120 §6.4.5
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Too many failures")

    def _fail(self, error: StreamError, events: Events) -> None:
        """End the stream at once: its errors cannot be recovered from (RFC 6120 §4.9.1.1)."""
        if self._state is not State.HANDSHAKE:  # nothing in clear between <proceed/> and the handshake
            self._write_end(error)
        self._end(error, events)

    def _end(self, error: StreamError | None, events: Events) -> None:
        self._state = State.CLOSED
        self._error = error
        self.deadline = None
        self._held = None
        events.append(Ended(error))

    def _write_header(self, to: JID | None = None) -> None:
        domain = self._policy.default_domain if self.host is None else self.host.domain
        self._out += header.response(domain, self._policy.stream_id(), to)
        self._answered = True

    def _write_end(self, error: StreamError | None) -> None:
        if not self._answered:  # RFC 6120 §4.9.1.2
            self._write_header()
        if error is not None:
            self._out += header.error(error)
        self._out += header.CLOSING_TAG

    def _await_header(self) -> None:
        self._state = State.HEADER
        self._answered = False

    def _new_scanner(self) -> Scanner:
        scanner = Scanner(self._limits.before_auth)
        scanner.step = True
        return scanner
