"""The driver of a component's connection (XEP-0114): joins the byte stream, the XML stream and the kernel's line."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.component_line import Line
from xmpp_server.errors import StreamError
from xmpp_server.net.connection import Connection
from xmpp_server.net.driver import Driver
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.streams.component import ComponentStream
from xmpp_server.streams.events import Authenticated, AuthFailed, Ended, StreamEvent
from xmpp_server.streams.policy import ComponentPolicy
from xmpp_server.streams.stream import Events
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()


class Service(Protocol):
    """What the driver asks of the server around it."""

    @property
    def policy(self) -> ComponentPolicy:
        """The components that may connect."""
        ...

    @property
    def runtime(self) -> LoopRuntime:
        """Time and tasks."""
        ...

    def attach(self, domain: str, peer: ComponentPeer) -> Line:
        """Take a connection that has authenticated; raises StreamError."""
        ...

    def failed(self, domain: str, peer: ComponentPeer) -> None:
        """Note a wrong handshake."""
        ...

    def opened(self, peer: ComponentPeer) -> None:
        """A connection is there."""
        ...

    def closed(self, peer: ComponentPeer) -> None:
        """A connection is gone."""
        ...


class ComponentPeer(Driver):
    """One connection of a component; the `Link` of its line and the `ConnectionHandler` of its socket."""

    __slots__ = ("_line", "_service")

    _stream: ComponentStream

    def __init__(self, service: Service) -> None:
        runtime = service.runtime
        super().__init__(runtime, ComponentStream(service.policy, runtime.now()))
        self._service = service
        self._line: Line | None = None

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side."""
        self._detach()
        self._close_stream(error)

    # What the socket says.

    def connected(self, connection: Connection) -> None:
        """Begin: the handshake has a deadline, whatever arrives."""
        self._connection = connection
        self._service.opened(self)
        self._watch_deadline()

    def tls_established(self) -> None:
        """Direct TLS, from the first byte on: the stream need not know."""

    def overflow(self) -> None:
        """More waits than `limits.outbox_bytes` and some: the line refuses stanzas before this happens."""
        log.warning("component-overflow", component=self._stream.domain, peer=self.peer)
        self.abort()

    def _gone(self) -> None:
        self._detach()
        self._service.closed(self)

    # Events of the stream.

    def _take(self, event: StreamEvent) -> Awaitable[Events] | None:
        if isinstance(event, Stanza):
            return self._take_stanza(event)
        if isinstance(event, Authenticated):
            self._attach(event.username)
        elif isinstance(event, AuthFailed):
            self._service.failed(event.username or "", self)
        return None

    def _take_stanza(self, stanza: Stanza) -> Awaitable[Events] | None:
        if self._line is None:
            return None
        wait = self._line.receive(stanza)
        return None if wait is None else self._wait(wait)

    @staticmethod
    async def _wait(wait: Awaitable[None]) -> Events:
        await wait
        return []

    def _fail(self, error: StreamError) -> None:
        log.warning("component-refused", component=self._stream.domain, condition=error.condition.value)
        self.close(error)

    def _attach(self, domain: str) -> None:
        self._cancel_timer()
        self._write_outgoing()  # the answer to the handshake comes before any stanza
        try:
            self._line = self._service.attach(domain, self)
        except StreamError as error:
            self.close(error)
            return
        self._hold_to(self._line.component.limits.bytes_per_s)

    def _detach(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.end()

    def _ended(self, event: Ended) -> None:
        self._detach()
