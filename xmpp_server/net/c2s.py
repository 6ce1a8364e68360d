"""The driver of a client's connection: joins the byte stream, the XML stream and the session."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, SaslError, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.net.connection import Connection
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.timers import Timer
from xmpp_server.net.tls import TlsServer
from xmpp_server.sasl.mechanism import Answer, Query
from xmpp_server.streams.c2s import C2SStream
from xmpp_server.streams.events import (
    Authenticated,
    AuthFailed,
    AuthQuery,
    BindRequest,
    Ended,
    RegisterRequest,
    ResumeRequest,
    StartTls,
)
from xmpp_server.streams.policy import C2SPolicy
from xmpp_server.streams.stream import Events
from xmpp_server.xml.element import Element
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()


class Resumption:
    """What became of a request to resume: a session, or why not."""

    __slots__ = ("condition", "h", "session")

    def __init__(self, session: Session | None, condition: Condition | None = None, h: int | None = None) -> None:
        self.session = session
        self.condition = condition
        self.h = h


class Service(Protocol):
    """What the driver asks of the server around it."""

    @property
    def policy(self) -> C2SPolicy:
        """The hosts of the listener."""
        ...

    @property
    def tls(self) -> TlsServer:
        """The certificates for STARTTLS."""
        ...

    @property
    def runtime(self) -> LoopRuntime:
        """Time and tasks."""
        ...

    @property
    def bytes_per_s(self) -> int:
        """What a client may send in the long run; 0 is no limit."""
        ...

    async def answer(self, domain: str, query: Query, client: Client) -> Answer:
        """Answer a question of a SASL exchange, not before the back-off for this client has passed."""
        ...

    def authenticated(self, domain: str, username: str, mechanism: str, client: Client) -> None:
        """Note that a client has authenticated."""
        ...

    def failed(self, username: str | None, condition: str, client: Client) -> None:
        """Note that a client has failed to authenticate, for the back-off."""
        ...

    async def register(self, domain: str, iq: Stanza, client: Client) -> Element | None:
        """Answer a stranger's request for registration with a payload or none; raises StanzaError."""
        ...

    async def bind(self, domain: str, username: str, resource: str | None, client: Client) -> Session:
        """Bind a resource; raises StanzaError or StreamError."""
        ...

    async def resume(self, domain: str, username: str, token: str, h: int, client: Client) -> Resumption:
        """Find the session to resume and attach it to this client once what it has sent is safe."""
        ...

    def opened(self, client: Client) -> None:
        """A connection is there."""
        ...

    def closed(self, client: Client) -> None:
        """A connection is gone."""
        ...


class Client:
    """One client connection; the `Transport` of its session and the `ConnectionHandler` of its socket."""

    __slots__ = (
        "_backlog",
        "_bucket",
        "_bucket_at",
        "_busy",
        "_connection",
        "_late",
        "_now",
        "_rate",
        "_service",
        "_session",
        "_stream",
        "_timer",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._now = service.runtime.now
        self._rate = service.bytes_per_s
        now = self._now()
        self._stream = C2SStream(service.policy, now)
        self._timer: Timer | None = None
        #: True while something asynchronous happens to this client's last element.
        self._busy = False
        #: Events and bytes that wait for that.
        self._backlog: Events = []
        self._late: list[bytes] = []
        self._bucket = float(self._rate)
        self._bucket_at = now

    # What a session asks of its transport.

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to read."""
        return 0 if self._connection is None else self._connection.buffered

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self._stream.channel.secure

    @property
    def peer(self) -> str:
        """The client's address."""
        return "" if self._connection is None else self._connection.peer[0]

    @property
    def certificate(self) -> bytes | None:
        """The client's certificate in DER, unverified, if it has shown one."""
        tls = None if self._connection is None else self._connection.tls
        return None if tls is None else tls.peer_certificate

    @property
    def certificate_chain(self) -> tuple[bytes, ...]:
        """The certificates that the client has shown, leaf first."""
        tls = None if self._connection is None else self._connection.tls
        return () if tls is None else tls.peer_chain

    @property
    def domain(self) -> str:
        """The domain that the client has named, or empty."""
        host = self._stream.host
        return host.domain if host is not None else ""

    @property
    def lang(self) -> str | None:
        """The default language of the client's stream."""
        return self._stream.lang

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if self._connection is not None:
            self._connection.write(data)

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side; the session, if it still points here, is the caller's business."""
        self._session = None
        self._handle(self._stream.close(self._now(), error))
        self._write_outgoing()
        if error is not None:
            self._disconnect()
        else:
            self._watch_deadline()

    def detach(self) -> None:
        """Take nothing more from the client for its session, which the server is about to save."""
        session, self._session = self._session, None
        if session is not None and self._connection is not None:
            self._connection.pause()

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

    def tls_established(self) -> None:
        """Begin anew inside TLS."""
        tls = None if self._connection is None else self._connection.tls
        if tls is None:
            return
        bindings = tls.channel_bindings
        self._stream.tls_established(bindings, tls.peer_certificate is not None)

    def received(self, data: bytes) -> None:
        """Take bytes."""
        now = self._now()
        session = self._session
        if session is not None:
            session.last_received = now
        if self._rate:
            self._account(len(data), now)
        if self._busy:
            self._late.append(data)
            return
        self._handle(self._stream.receive(data, now))
        self._write_unless_early()

    def eof(self) -> None:
        """The client sends nothing more: an orderly client has closed its stream before."""
        self._lose_session()
        if self._connection is not None:
            self._connection.close()

    def overflow(self) -> None:
        """The client does not read: let it go; a session under XEP-0198 keeps what it has not acknowledged."""
        log.info("slow-reader", peer=self.peer, session=str(self._session.jid) if self._session else None)
        self._lose_session()
        if self._connection is not None:
            self._connection.abort()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._connection = None
        self._stream.lost()
        self._cancel_timer()
        self._backlog = []
        self._late = []
        self._lose_session()
        self._service.closed(self)

    def _lose_session(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.connection_lost()

    # Events of the stream.

    def _handle(self, events: Events) -> None:
        for index, event in enumerate(events):
            if type(event) is Stanza:
                if self._session is None:
                    continue
                try:
                    wait = self._session.receive(event)
                except StreamError as error:
                    self._fail(error)
                    return
                if wait is None:
                    continue
                self._spawn(self._wait(wait), "stanza")
            elif isinstance(event, AuthQuery):
                self._spawn(self._answer(event.query), "auth")
            elif isinstance(event, RegisterRequest):
                self._spawn(self._register(event.iq), "register")
            elif isinstance(event, BindRequest):
                self._spawn(self._bind(event.resource), "bind")
            elif isinstance(event, ResumeRequest):
                self._spawn(self._resume(event), "resume")
            elif isinstance(event, StartTls):
                self._write_outgoing()
                if self._connection is not None:
                    self._connection.start_tls(self._service.tls)
                continue
            elif isinstance(event, Authenticated):
                self._service.authenticated(self.domain, event.username, event.mechanism, self)
                continue
            elif isinstance(event, AuthFailed):
                self._service.failed(event.username, event.condition, self)
                continue
            elif isinstance(event, Ended):
                self._ended(event)
                return
            if self._busy:
                self._backlog = events[index + 1 :]
                return

    def _ended(self, event: Ended) -> None:
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.transport = None
            session.end()
        if event.error is not None:
            log.info("stream-error", peer=self.peer, condition=event.error.condition.value, text=event.error.text)
        self._disconnect()

    def _fail(self, error: StreamError) -> None:
        """The session cannot go on with this client, by the client's fault."""
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.end(error)
        else:
            self.close(error)

    def _disconnect(self) -> None:
        self._write_outgoing()
        self._cancel_timer()
        if self._connection is not None:
            self._connection.close()

    def _write_unless_early(self) -> None:
        """Write what the stream has to say; its end comes behind the answer that is still being worked on."""
        if not (self._busy and self._stream.closed):
            self._write_outgoing()

    def _write_outgoing(self) -> None:
        out = self._stream.outgoing()
        if out and self._connection is not None:
            self._connection.write(out)

    # What takes time: the client's next bytes wait.

    def _spawn(self, work: Awaitable[Events], name: str) -> None:
        self._busy = True
        if self._connection is not None:
            self._connection.pause()
        self._service.runtime.spawn(self._run(work), name)

    async def _run(self, work: Awaitable[Events]) -> None:
        """Do what an element asks for, then go on with what arrived meanwhile."""
        try:
            events = await work
        except StreamError as error:
            self._fail(error)
            events = []
        except Exception:
            log.exception("client-failed", peer=self.peer)
            self._fail(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
            events = []
        self._busy = False
        backlog, self._backlog = self._backlog, []
        self._handle(events + backlog)
        self._write_unless_early()
        while self._late and not self._busy:
            self._handle(self._stream.receive(self._late.pop(0), self._now()))
            self._write_unless_early()
        if not self._busy:
            self._go_on()

    @staticmethod
    async def _wait(wait: Awaitable[None]) -> Events:
        await wait
        return []

    async def _answer(self, query: Query) -> Events:
        try:
            answer = await self._service.answer(self.domain, query, self)
        except SaslError as error:
            answer = error
        return self._stream.auth_answer(answer, self._now())

    async def _register(self, iq: Stanza) -> Events:
        answer: Element | StanzaError | None
        try:
            answer = await self._service.register(self.domain, iq, self)
        except StanzaError as error:
            answer = error
        events = self._stream.register_answer(answer, self._now())
        self._watch_deadline()
        return events

    async def _bind(self, resource: str | None) -> Events:
        username = self._stream.username or ""
        try:
            session = await self._service.bind(self.domain, username, resource, self)
        except StanzaError as error:
            return self._stream.bind_failed(error, self._now())
        return self._establish(session, session.jid, None)

    async def _resume(self, request: ResumeRequest) -> Events:
        username = self._stream.username or ""
        found = await self._service.resume(self.domain, username, request.previd, request.h, self)
        if found.session is None:
            condition = found.condition or Condition.ITEM_NOT_FOUND
            return self._stream.resume_failed(condition, found.h, self._now())
        return self._establish(found.session, found.session.jid, found.h or 0)

    def _establish(self, session: Session, jid: JID, resumed_h: int | None) -> Events:
        """Join the session to this connection, or let it go if the connection is gone meanwhile."""
        if self._connection is None or not self._stream.waiting:
            session.connection_lost()
            return []
        self._session = session
        self._cancel_timer()
        events = self._stream.bound(jid) if resumed_h is None else self._stream.resumed(resumed_h, jid)
        self._write_outgoing()
        if resumed_h is not None:
            session.resend()
        return events

    # Time.

    def _watch_deadline(self) -> None:
        self._cancel_timer()
        deadline = self._stream.deadline
        if deadline is not None:
            self._timer = self._service.runtime.wheel.schedule(deadline, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        self._handle(self._stream.timeout(self._now()))
        self._write_outgoing()
        if not self._stream.closed:
            self._watch_deadline()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _account(self, count: int, now: float) -> None:
        """Take bytes from the client's allowance; past it, it is not read from until it has some again."""
        rate = self._rate
        self._bucket = min(float(rate), self._bucket + (now - self._bucket_at) * rate) - count
        self._bucket_at = now
        if self._bucket < 0 and self._connection is not None and not self._busy:
            self._connection.pause()
            self._service.runtime.schedule(-self._bucket / rate, self._go_on)

    def _go_on(self) -> None:
        """Read on, unless an element is being worked on or the client has used up its allowance."""
        if self._connection is None or self._busy:
            return
        if self._rate:
            self._account(0, self._now())
            if self._bucket < 0:
                return
        self._connection.resume()
