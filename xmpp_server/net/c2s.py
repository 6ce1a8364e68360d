"""The driver of a client's connection: joins the byte stream, the XML stream and the session."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, SaslError, StanzaError, StreamError
from xmpp_server.jid import JID
from xmpp_server.net.connection import Connection
from xmpp_server.net.driver import Driver, Work
from xmpp_server.net.runtime import LoopRuntime
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
    StreamEvent,
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

    def answer(self, domain: str, query: Query, client: Client) -> Answer | Awaitable[Answer]:
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

    def bind(self, domain: str, username: str, resource: str | None, client: Client) -> Session | Awaitable[Session]:
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


class Client(Driver):
    """One client connection; the `Transport` of its session and the `ConnectionHandler` of its socket."""

    __slots__ = ("_service", "_session")

    _stream: C2SStream

    def __init__(self, service: Service) -> None:
        runtime = service.runtime
        super().__init__(runtime, C2SStream(service.policy, runtime.now()))
        self._hold_to(service.bytes_per_s)
        self._service = service
        self._session: Session | None = None

    # What a session asks of its transport.

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self._stream.channel.secure

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
    def error(self) -> StreamError | None:
        """The error that ended the stream, if one did."""
        return self._stream.error

    @property
    def lang(self) -> str | None:
        """The default language of the client's stream."""
        return self._stream.lang

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side; the session, if it still points here, is the caller's business."""
        self._session = None
        self._close_stream(error)

    def detach(self) -> None:
        """Take nothing more from the client for its session, which the server is about to save."""
        session, self._session = self._session, None
        if session is not None and self._connection is not None:
            self._connection.pause()

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
        if self._session is not None:
            self._session.last_received = self._now()
        super().received(data)

    def _peer_ended(self) -> None:
        """An orderly client has closed its stream before."""
        self._lose_session()
        super()._peer_ended()

    def overflow(self) -> None:
        """The client does not read: let it go; a session under XEP-0198 keeps what it has not acknowledged."""
        log.info("slow-reader", peer=self.peer, session=str(self._session.jid) if self._session else None)
        self._lose_session()
        if self._connection is not None:
            self._connection.abort()

    def _gone(self) -> None:
        self._lose_session()
        self._service.closed(self)

    def _lose_session(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.connection_lost()

    # Events of the stream.

    def _take(self, event: StreamEvent) -> Work:
        if type(event) is Stanza:
            return self._take_stanza(event)
        match event:
            case AuthQuery():
                return self._answer(event.query)
            case RegisterRequest():
                return self._register(event.iq)
            case BindRequest():
                return self._bind(event.resource)
            case ResumeRequest():
                return self._resume(event)
            case StartTls():
                self._write_outgoing()
                if self._connection is not None:
                    self._connection.start_tls(self._service.tls)
            case Authenticated():
                self._service.authenticated(self.domain, event.username, event.mechanism, self)
            case AuthFailed():
                self._service.failed(event.username, event.condition, self)
        return None

    def _take_stanza(self, stanza: Stanza) -> Awaitable[Events] | None:
        session = self._session
        if session is None:
            return None
        wait = session.receive(stanza)
        return None if wait is None else self._wait(wait)

    def _ended(self, event: Ended) -> None:
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.transport = None
            session.end()

    def _fail(self, error: StreamError) -> None:
        """The session cannot go on with this client, by the client's fault."""
        session, self._session = self._session, None
        if session is not None and session.transport is self:
            session.end(error)
        else:
            self.close(error)

    # What may take time: the client's next bytes wait.

    @staticmethod
    async def _wait(wait: Awaitable[None]) -> Events:
        await wait
        return []

    def _answer(self, query: Query) -> Work:
        try:
            answer = self._service.answer(self.domain, query, self)
        except SaslError as error:
            answer = error
        if isinstance(answer, Awaitable):
            return self._answer_later(answer)
        return self._stream.auth_answer(answer, self._now())

    async def _answer_later(self, coming: Awaitable[Answer]) -> Events:
        try:
            answer = await coming
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

    def _bind(self, resource: str | None) -> Work:
        try:
            session = self._service.bind(self.domain, self._stream.username or "", resource, self)
        except StanzaError as error:
            return self._stream.bind_failed(error, self._now())
        if isinstance(session, Session):
            return self._establish(session, session.jid, None)
        return self._bind_later(session)

    async def _bind_later(self, coming: Awaitable[Session]) -> Events:
        try:
            session = await coming
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
