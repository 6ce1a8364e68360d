"""The driver of a component's connection (XEP-0114): joins the byte stream, the XML stream and the kernel's line."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.component_line import Line
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.net.connection import Connection
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.timers import Timer
from xmpp_server.streams.component import ComponentStream
from xmpp_server.streams.events import Authenticated, AuthFailed, Ended
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


class ComponentPeer:
    """One connection of a component; the `Link` of its line and the `ConnectionHandler` of its socket."""

    __slots__ = (
        "_backlog",
        "_bucket",
        "_bucket_at",
        "_busy",
        "_connection",
        "_late",
        "_line",
        "_now",
        "_service",
        "_stream",
        "_timer",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._now = service.runtime.now
        self._connection: Connection | None = None
        self._line: Line | None = None
        now = self._now()
        self._stream = ComponentStream(service.policy, now)
        self._timer: Timer | None = None
        #: True while something asynchronous happens to the component's last stanza.
        self._busy = False
        #: Events and bytes that wait for that.
        self._backlog: Events = []
        self._late: list[bytes] = []
        #: Bytes that may be read at once, and when that was so.
        self._bucket = 0.0
        self._bucket_at = now

    # What the kernel asks of its link.

    @property
    def buffered(self) -> int:
        """Bytes that wait for the component to read."""
        return 0 if self._connection is None else self._connection.buffered

    @property
    def peer(self) -> str:
        """The component's address."""
        return "" if self._connection is None else self._connection.peer[0]

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if self._connection is not None:
            self._connection.write(data)

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side."""
        self._detach()
        self._handle(self._stream.close(self._now(), error))
        self._write_outgoing()
        if error is not None:
            self._disconnect()
        else:
            self._watch_deadline()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._connection is not None:
            self._connection.abort()

    # What the socket says.

    def connected(self, connection: Connection) -> None:
        """Begin: the handshake has a deadline, whatever arrives."""
        self._connection = connection
        self._service.opened(self)
        self._watch_deadline()

    def tls_established(self) -> None:
        """Direct TLS, from the first byte on: the stream need not know."""

    def received(self, data: bytes) -> None:
        """Take bytes."""
        if self._line is not None and self._line.component.limits.bytes_per_s:
            self._account(len(data), self._line.component.limits.bytes_per_s)
        if self._busy:
            self._late.append(data)
            return
        self._handle(self._stream.receive(data, self._now()))
        self._write_outgoing()

    def eof(self) -> None:
        """The component sends nothing more."""
        if self._connection is not None:
            self._connection.close()

    def overflow(self) -> None:
        """More waits than `limits.outbox_bytes` and some: the line refuses stanzas before this happens."""
        log.warning("component-overflow", component=self._stream.domain, peer=self.peer)
        self.abort()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._connection = None
        self._stream.lost()
        self._cancel_timer()
        self._backlog = []
        self._late = []
        self._detach()
        self._service.closed(self)

    # Events of the stream.

    def _handle(self, events: Events) -> None:
        for index, event in enumerate(events):
            if isinstance(event, Stanza):
                self._take(event)
            elif isinstance(event, Authenticated):
                self._attach(event.username)
            elif isinstance(event, AuthFailed):
                self._service.failed(event.username or "", self)
            elif isinstance(event, Ended):
                self._ended(event)
                return
            if self._busy:
                self._backlog = events[index + 1 :]
                return

    def _take(self, stanza: Stanza) -> None:
        if self._line is None:
            return
        try:
            wait = self._line.receive(stanza)
        except StreamError as error:
            log.warning("component-refused", component=self._stream.domain, condition=error.condition.value)
            self.close(error)
            return
        if wait is not None:
            self._busy = True
            if self._connection is not None:
                self._connection.pause()
            self._service.runtime.spawn(self._run(wait), "component-stanza")

    async def _run(self, wait: Awaitable[None]) -> None:
        """Finish a stanza, then go on with what arrived meanwhile."""
        try:
            await wait
        except Exception:
            log.exception("component-failed", component=self._stream.domain)
            self.close(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
        self._busy = False
        backlog, self._backlog = self._backlog, []
        self._handle(backlog)
        while self._late and not self._busy:
            self._handle(self._stream.receive(self._late.pop(0), self._now()))
        self._write_outgoing()
        self._go_on()

    def _attach(self, domain: str) -> None:
        self._cancel_timer()
        self._write_outgoing()  # the answer to the handshake comes before any stanza
        try:
            self._line = self._service.attach(domain, self)
        except StreamError as error:
            self.close(error)

    def _detach(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.end()

    def _ended(self, event: Ended) -> None:
        self._detach()
        if event.error is not None:
            log.info("stream-error", peer=self.peer, condition=event.error.condition.value, text=event.error.text)
        self._disconnect()

    def _disconnect(self) -> None:
        self._write_outgoing()
        self._cancel_timer()
        if self._connection is not None:
            self._connection.close()

    def _write_outgoing(self) -> None:
        out = self._stream.outgoing()
        if out and self._connection is not None:
            self._connection.write(out)

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

    def _account(self, count: int, rate: int) -> None:
        """Take bytes from the allowance; past it, the component is not read from until it has some again."""
        now = self._now()
        self._bucket = min(float(rate), self._bucket + (now - self._bucket_at) * rate) - count
        self._bucket_at = now
        if self._bucket < 0 and self._connection is not None and not self._busy:
            self._connection.pause()
            self._service.runtime.schedule(-self._bucket / rate, self._go_on)

    def _go_on(self) -> None:
        if self._connection is not None and not self._busy:
            self._connection.resume()
