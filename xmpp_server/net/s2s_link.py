"""The drivers of connections with other servers: each joins a byte stream and an XML stream."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.core.receipts import Ledger, Receipt
from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.net.connection import Connection, TlsSide
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.timers import Timer
from xmpp_server.net.tls import TlsServer
from xmpp_server.streams import sm_nonzas
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import Ended, StartTls
from xmpp_server.streams.s2s import FederationPolicy, Purpose
from xmpp_server.streams.s2s_events import DialbackRequest, Proven, Ready, Verified
from xmpp_server.streams.s2s_in import S2SInStream
from xmpp_server.streams.s2s_out import S2SOutStream
from xmpp_server.streams.sm import MODULUS, SmQueue, parse_h
from xmpp_server.streams.stream import Events, Stream
from xmpp_server.xml.namespaces import SM
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()


#: How long the peer may take to acknowledge (XEP-0198), and how many stanzas.
ACKNOWLEDGE_S = 60.0
UNACKNOWLEDGED = 10_000

_ENABLE = f"<enable xmlns='{SM}'/>".encode()


class LinkError(Exception):
    """A link could not be had; `condition` is what the senders of waiting stanzas are told."""

    def __init__(self, condition: Condition, text: str) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text


class Service(Protocol):
    """What the drivers ask of the federation."""

    @property
    def policy(self) -> FederationPolicy:
        """The server, to its streams."""
        ...

    @property
    def runtime(self) -> LoopRuntime:
        """Time and tasks."""
        ...

    @property
    def tls(self) -> TlsServer:
        """Our certificates, for those who connect."""
        ...

    def offer(self, pair: Pair, *, direct: bool) -> TlsSide:
        """Return the beginning of TLS for a connection that we make."""
        ...

    def proves(self, chain: tuple[bytes, ...], domain: str) -> bool:
        """Judge a peer's certificate."""
        ...

    def take(self, stanza: Stanza) -> Wait:
        """Route a stanza from a peer that has proven its domain."""
        ...

    async def verify(self, request: DialbackRequest) -> tuple[Verdict, Condition | None]:
        """Ask the authoritative server of a claim; never raises."""
        ...

    def opened(self, link: Link) -> None:
        """Note a connection."""
        ...

    def adopt(self, link: Link, pair: Pair) -> None:
        """Send on a link that the peer has opened for both directions (XEP-0288)."""
        ...

    def ending(self, link: Link) -> None:
        """Give a link no more stanzas: its stream is being closed."""
        ...

    def closed(self, link: Link, error: StreamError | None) -> None:
        """Forget a connection; `error` is why its stream has ended, None if in good order or without a word."""
        ...


class Link(ABC):
    """What connections in either direction share (`ConnectionHandler`)."""

    __slots__ = (
        "_asked_at",
        "_backlog",
        "_busy",
        "_connection",
        "_error",
        "_late",
        "_ledger",
        "_sent",
        "_service",
        "_timer",
        "last_used",
        "method",
        "since",
    )

    stream: Stream

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: Connection | None = None
        self._timer: Timer | None = None
        self._error: StreamError | None = None
        #: How the authenticating side has done so, once it has.
        self.method = ""
        #: True while a stanza of the peer is waited for; events and bytes that wait for that.
        self._busy = False
        self._backlog: Events = []
        self._late: list[bytes] = []
        #: XEP-0198, once enabled: what we count of the peer's, what it has not acknowledged of ours, and since when
        #: we wait for an answer.
        self._ledger: Ledger | None = None
        self._sent: SmQueue[Stanza] | None = None
        self._asked_at: float | None = None
        self.since = self.last_used = service.runtime.now()

    @property
    def peer(self) -> str:
        """The peer's address, for operators."""
        return "" if self._connection is None else "{}:{}".format(*self._connection.peer)

    @property
    def tls_version(self) -> str:
        """The version of TLS, or empty."""
        tls = None if self._connection is None else self._connection.tls
        return "" if tls is None else tls.version

    @property
    def open(self) -> bool:
        """Whether there is a connection and a stream on it."""
        return self._connection is not None and not self.stream.closed

    @property
    def established(self) -> bool:
        """Whether stanzas pass."""
        return self.open and self.stream.jid is not None and self.stream.deadline is None

    @property
    def unacknowledged(self) -> int:
        """How many stanzas the peer has not confirmed."""
        return 0 if self._sent is None else len(self._sent)

    def send(self, stanza: Stanza) -> None:
        """Write a stanza; with XEP-0198 keep it until the peer has it."""
        now = self._service.runtime.now()
        self.last_used = now
        if self._connection is None:
            return
        self._connection.write(stanza.wire)
        if self._sent is not None:
            self._sent.sent(stanza)
            self._request(now)
            if len(self._sent) > UNACKNOWLEDGED:
                self._give_up()

    def check(self, now: float) -> None:
        """Give up a peer that acknowledges nothing; ask one that was silent whether it is there."""
        if self._asked_at is not None:
            if now - self._asked_at > ACKNOWLEDGE_S:
                self._give_up()
        elif self._sent is not None:
            self._request(now)

    def _give_up(self) -> None:
        log.info("s2s-no-acknowledgement", unacknowledged=self.unacknowledged, **self.names)
        self.abort()

    def take_unacknowledged(self) -> list[Stanza]:
        """Return what the peer may not have got, oldest first, and forget it: the link is gone."""
        return [] if self._sent is None else self._sent.clear()

    def _request(self, now: float) -> None:
        if self._asked_at is None and self._connection is not None:
            self._asked_at = now
            self._connection.write(sm_nonzas.REQUEST)

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side."""
        if self._connection is None:
            return
        self._service.ending(self)
        self._handle(self.stream.close(self._service.runtime.now(), error))
        self._write_outgoing()
        self._watch_deadline()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._connection is not None:
            self._connection.abort()

    # What the socket says.

    def connected(self, connection: Connection) -> None:
        """Begin: the negotiation has a deadline, whatever arrives."""
        self._connection = connection
        self._service.opened(self)
        self._watch_deadline()
        self._begin(connection)

    def received(self, data: bytes) -> None:
        """Take bytes."""
        now = self._service.runtime.now()
        if self._busy:
            self._late.append(data)
            return
        self._handle(self.stream.receive(data, now))
        self._write_outgoing()
        self._settle()

    def eof(self) -> None:
        """The peer sends nothing more."""
        if self._connection is not None:
            self._connection.close()

    def overflow(self) -> None:
        """The peer does not read."""
        log.info("s2s-slow-reader", peer=self.peer)
        self.abort()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._error is None and error is not None and not self.stream.closed:
            log.info("s2s-lost", reason=str(error), **self.names)
        self._connection = None
        self.stream.lost()
        self._cancel_timer()
        self._backlog = []
        self._late = []
        self._gone(error)
        self._service.closed(self, self._error)

    # What the stream says.

    def _handle(self, events: Events) -> None:
        for index, event in enumerate(events):
            if type(event) is Stanza:
                wait = self._manage(event) if event.ns == SM else self._receive(event)
                if wait is not None:
                    self._backlog = events[index + 1 :]
                    self._suspend(wait)
                    return
            elif isinstance(event, Ended):
                self._ended(event.error)
                return
            else:
                self._event(event)

    def _receive(self, stanza: Stanza) -> Wait:
        """Route a stanza; it is acknowledged once it is safe."""
        self.last_used = self._service.runtime.now()
        if self._ledger is None:
            return self._service.take(stanza)
        receipt = self._ledger.receive()
        stanza.receipt = receipt
        wait = self._service.take(stanza)
        if wait is None:
            return None
        receipt.hold()
        return _release_after(wait, receipt)

    def _manage(self, element: Stanza) -> Wait:
        """Take an element of XEP-0198; what comes out of place means nothing."""
        if element.name == "r" and self._ledger is not None:
            self._ledger.request(self._acknowledge)
        elif element.name == "a" and self._sent is not None:
            self._acknowledged(self._sent, element)
        elif element.name == "enable":
            self._enable()
        elif element.name == "failed":
            self._sent = None
            self._asked_at = None
        return None

    def _enable(self) -> None:
        """Count from here on (XEP-0198 §3); there is no resumption between servers."""
        if self._ledger is not None or self._connection is None:
            return
        self._ledger = Ledger()
        self._sent = SmQueue()
        self._connection.write(sm_nonzas.enabled())

    def _acknowledge(self, handled: int) -> None:
        if self._connection is not None:
            self._connection.write(sm_nonzas.acknowledgement(handled % MODULUS))

    def _acknowledged(self, sent: SmQueue[Stanza], element: Stanza) -> None:
        self._asked_at = None
        h = parse_h(element.attrs.get("h"))
        try:
            if h is None:
                raise StreamError(StreamCondition.BAD_FORMAT)
            sent.acknowledge(h)
        except StreamError as error:
            self.close(error)
            return
        if len(sent):
            self._request(self._service.runtime.now())

    def _take(self, events: Events) -> None:
        """Handle events that came of something else than bytes, in their turn."""
        if self._busy:
            self._backlog += events
        else:
            self._handle(events)
        self._write_outgoing()
        self._settle()

    def _ended(self, error: StreamError | None) -> None:
        self._error = error
        self._service.ending(self)
        if error is not None:
            log.info("s2s-error", condition=error.condition.value, text=error.text, **self.names)
        self._write_outgoing()
        self._cancel_timer()
        if self._connection is not None:
            self._connection.close()

    def _write_outgoing(self) -> None:
        out = self.stream.outgoing()
        if out and self._connection is not None:
            self._connection.write(out)

    # A stanza that takes time: the peer's next bytes wait.

    def _suspend(self, wait: Awaitable[None]) -> None:
        self._busy = True
        if self._connection is not None:
            self._connection.pause()
        self._service.runtime.spawn(self._run(wait), "s2s-stanza")

    async def _run(self, wait: Awaitable[None]) -> None:
        try:
            await wait
        finally:
            self._busy = False
            backlog, self._backlog = self._backlog, []
            self._handle(backlog)
            self._write_outgoing()
            while self._late and not self._busy:
                self._handle(self.stream.receive(self._late.pop(0), self._service.runtime.now()))
                self._write_outgoing()
            if not self._busy and self._connection is not None:
                self._connection.resume()

    # Time.

    def _watch_deadline(self) -> None:
        self._cancel_timer()
        if self.stream.deadline is not None:
            self._timer = self._service.runtime.wheel.schedule(self.stream.deadline, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._handle(self.stream.timeout(self._service.runtime.now()))
        self._write_outgoing()
        if not self.stream.closed:
            self._watch_deadline()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What differs.

    @property
    @abstractmethod
    def names(self) -> dict[str, str]:
        """Who talks to whom, for the log."""

    @abstractmethod
    def tls_established(self) -> None:
        """The handshake is over."""

    @abstractmethod
    def _settle(self) -> None:
        """Go on after something was handled and answered."""

    @abstractmethod
    def _begin(self, connection: Connection) -> None:
        """The connection is there."""

    @abstractmethod
    def _event(self, event: object) -> None:
        """Obey an event that is neither a stanza nor the end."""

    @abstractmethod
    def _gone(self, error: Exception | None) -> None:
        """The connection was lost."""


class Incoming(Link):
    """A connection that another server has made."""

    __slots__ = ("_proven", "stream")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        #: Pairs that the peer wants to hear from here, until that is possible (XEP-0288).
        self._proven: list[Pair] = []
        self.stream: S2SInStream = S2SInStream(service.policy, service.runtime.now())

    @property
    def names(self) -> dict[str, str]:
        """Who talks to whom."""
        return {
            "direction": "in",
            "remote": self.stream.remote or "",
            "local": self.stream.local or "",
            "peer": self.peer,
        }

    def tls_established(self) -> None:
        """Begin anew inside TLS."""
        tls = None if self._connection is None else self._connection.tls
        if tls is None:
            return
        chain = tls.peer_chain
        self.stream.tls_established((lambda domain: self._service.proves(chain, domain)) if chain else None)

    def _begin(self, connection: Connection) -> None:
        pass

    def _settle(self) -> None:
        """Let our stanzas go this way once the peer knows that it is believed, and SASL's new stream has begun."""
        while self._proven and self.established:
            self._service.adopt(self, self._proven.pop())

    def _event(self, event: object) -> None:
        if isinstance(event, StartTls):
            self._write_outgoing()
            if self._connection is not None:
                self._connection.start_tls(self._service.tls)
        elif isinstance(event, DialbackRequest):
            self._service.runtime.spawn(self._verify(event), "s2s-verify")
        elif isinstance(event, Proven):
            self.method = event.method
            self._watch_deadline()
            if self.stream.bidi:
                self._proven.append(Pair(event.local, event.domain))
            log.info("s2s-proven", domain=event.domain, method=event.method, **self.names)

    async def _verify(self, request: DialbackRequest) -> None:
        verdict, error = await self._service.verify(request)
        self._take(self.stream.dialback_answer(request.pair, verdict, error))

    def _gone(self, error: Exception | None) -> None:
        pass


class Outgoing(Link):
    """A connection that we make. `ready` ends when stanzas, or questions, can be sent, or with a LinkError."""

    __slots__ = ("_direct", "_purpose", "_questions", "ready", "stream")

    def __init__(self, service: Service, pair: Pair, purpose: Purpose, *, direct: bool) -> None:
        super().__init__(service)
        self._direct = direct
        self._purpose = purpose
        self.stream: S2SOutStream = S2SOutStream(service.policy, pair, purpose, service.runtime.now())
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._questions: dict[tuple[Pair, str], asyncio.Future[Verdict]] = {}

    @property
    def names(self) -> dict[str, str]:
        """Who talks to whom."""
        pair = self.stream.pair
        return {"direction": "out", "remote": pair.target, "local": pair.sender, "peer": self.peer}

    async def ask(self, pair: Pair, stream_id: str, key: str) -> Verdict:
        """Ask the peer, an authoritative server, for its verdict on a key.

        Raises:
            LinkError: The link is gone, or has too many questions open.

        """
        question = (pair, stream_id)
        if question in self._questions or not self.stream.ask(pair, stream_id, key):
            raise LinkError(Condition.RESOURCE_CONSTRAINT, "Too many questions")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._questions[question] = answer
        self._write_outgoing()
        try:
            return await answer
        finally:
            self._questions.pop(question, None)

    def tls_established(self) -> None:
        """Go on inside TLS."""
        tls = None if self._connection is None else self._connection.tls
        if tls is None:
            return
        trusted = self._service.proves(tls.peer_chain, self.stream.pair.target)
        self.stream.tls_established(trusted=trusted)
        self._write_outgoing()

    def _settle(self) -> None:
        pass

    def _begin(self, connection: Connection) -> None:
        if not self._direct:
            self.stream.start()
            self._write_outgoing()

    def _event(self, event: object) -> None:
        if isinstance(event, StartTls):
            if self._connection is not None:
                self._connection.start_tls(self._service.offer(self.stream.pair, direct=False))
        elif isinstance(event, Ready):
            self._cancel_timer()
            self.method = event.method
            if event.acknowledges and self._purpose is Purpose.STANZAS and self._connection is not None:
                self._ledger = Ledger()
                self._sent = SmQueue()
                self._connection.write(_ENABLE)
            self.since = self._service.runtime.now()
            if not self.ready.done():
                self.ready.set_result(event.method)
        elif isinstance(event, Verified):
            answer = self._questions.pop((event.pair, event.stream_id), None)
            if answer is not None and not answer.done():
                answer.set_result(event.verdict)

    def _gone(self, error: Exception | None) -> None:
        failure = _failure(self._error, error)
        if not self.ready.done():
            self.ready.set_exception(failure)
            self.ready.exception()  # it may be that nobody waits any more
        for answer in self._questions.values():
            if not answer.done():
                answer.set_exception(failure)
                answer.exception()


async def _release_after(wait: Awaitable[None], receipt: Receipt) -> None:
    try:
        await wait
    finally:
        receipt.release()


#: What the peer's end of the stream means to whoever waits for it to take a stanza; else it is a time-out.
_NOT_FOUND = frozenset({StreamCondition.HOST_UNKNOWN, StreamCondition.HOST_GONE})


def _failure(stream: StreamError | None, transport: Exception | None) -> LinkError:
    if stream is not None:
        condition = (
            Condition.REMOTE_SERVER_NOT_FOUND if stream.condition in _NOT_FOUND else Condition.REMOTE_SERVER_TIMEOUT
        )
        return LinkError(condition, stream.text or stream.condition.value)
    return LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(transport or "The server has hung up"))
