"""What joins a byte stream and an XML stream, whoever the peer is: order, waiting, deadlines, allowances, the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import TypeAlias

import structlog

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.net.allowance import Allowance, Rate
from xmpp_server.net.connection import Connection
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.timers import Timer
from xmpp_server.streams.events import Ended, StreamEvent
from xmpp_server.streams.stream import Events, Stream

log = structlog.get_logger()

#: What comes of an event: further events, at once or after a wait.
Work: TypeAlias = Events | Awaitable[Events] | None


class Driver(ABC):
    """The `ConnectionHandler` of a socket. While an element is being worked on, the peer's next bytes wait."""

    __slots__ = (
        "_allowance",
        "_backlog",
        "_busy",
        "_connection",
        "_is_last",
        "_late",
        "_now",
        "_runtime",
        "_stream",
        "_timer",
        "_uncounted",
    )

    def __init__(self, runtime: LoopRuntime, stream: Stream) -> None:
        self._runtime = runtime
        self._stream = stream
        self._now = runtime.now
        self._connection: Connection | None = None
        self._timer: Timer | None = None
        #: True while something asynchronous happens to the peer's last element.
        self._busy = False
        #: Events and bytes that wait for that.
        self._backlog: Events = []
        self._late: list[bytes] = []
        #: The peer has sent its last byte.
        self._is_last = False
        #: What the peer may send; None is no limit. Stanzas that were taken, but not yet from the allowance.
        self._allowance: Allowance | None = None
        self._uncounted = 0

    @abstractmethod
    def _take(self, event: StreamEvent) -> Work:
        """Take one event but the last; those that come of it follow. An awaitable result is waited for.

        Raises:
            StreamError: The stream is to end with it.

        """

    @abstractmethod
    def _fail(self, error: StreamError) -> None:
        """End the stream with an error, because the last element could not be handled."""

    @abstractmethod
    def _ended(self, event: Ended) -> None:
        """The stream is over: let go of what depends on it. The connection is closed afterwards."""

    @abstractmethod
    def _gone(self) -> None:
        """The connection is gone: let go of everything."""

    @property
    def names(self) -> Mapping[str, str]:
        """Who the peer is, for the log."""
        return {"peer": self.peer}

    @property
    def buffered(self) -> int:
        """Bytes that wait for the peer to read."""
        return 0 if self._connection is None else self._connection.buffered

    @property
    def peer(self) -> str:
        """The peer's address."""
        return "" if self._connection is None else self._connection.peer[0]

    @property
    def slowed(self) -> bool:
        """Whether the peer has sent more than it may, and is not read from."""
        return self._allowance is not None and self._allowance.overdrawn

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if self._connection is not None:
            self._connection.write(data)

    def abort(self) -> None:
        """Cut the connection off."""
        if self._connection is not None:
            self._connection.abort()

    def received(self, data: bytes) -> None:
        """Take bytes."""
        now = self._now()
        if self._allowance is not None:
            self._account(self._allowance, len(data), now)
        if self._busy:
            self._late.append(data)
            if self._connection is not None:
                self._connection.pause()
            return
        self._handle(self._stream.receive(data, now))
        self._write_unless_early()

    def eof(self) -> None:
        """The peer sends nothing more; what it sent before comes first."""
        self._is_last = True
        if not self._busy:
            self._peer_ended()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._connection = None
        self._stream.lost()
        self._cancel_timer()
        self._backlog = []
        self._late = []
        self._gone()

    # Events of the stream.

    def _handle(self, events: Events) -> None:
        for index, event in enumerate(events):
            if type(event) is Ended:
                if event.error is not None:
                    condition = event.error.condition.value
                    log.info("stream-error", condition=condition, text=event.error.text, **self.names)
                self._ended(event)
                self._disconnect()
                return
            try:
                work = self._take(event)
            except Exception as error:
                self._failed(error)
                continue
            if work is None:
                continue
            rest = events[index + 1 :]
            if isinstance(work, list):
                self._handle(work + rest)
            else:
                self._begin(work)
                self._backlog = rest
            return

    def _begin(self, work: Awaitable[Events]) -> None:
        self._busy = True  # and read on, for most work is done before the peer sends more
        self._runtime.spawn(self._finish(work), type(self).__name__)

    async def _finish(self, work: Awaitable[Events]) -> None:
        """Do what an element asks for, then go on with what arrived meanwhile."""
        try:
            events = await work
        except Exception as error:
            self._failed(error)
            events = []
        self._busy = False
        backlog, self._backlog = self._backlog, []
        self._handle(events + backlog)
        self._write_unless_early()
        while self._late and not self._busy:
            self._handle(self._stream.receive(self._late.pop(0), self._now()))
            self._write_unless_early()
        self._go_on()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, StreamError):
            self._fail(error)
        else:
            log.error("stream-failed", exc_info=error, **self.names)
            self._fail(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))

    # The end.

    def _peer_ended(self) -> None:
        """The peer sends nothing more, and all that it sent was handled."""
        if self._connection is not None:
            self._connection.close()

    def _close_stream(self, error: StreamError | None) -> None:
        """Close the stream from our side; without an error the peer has some time to do the same."""
        self._handle(self._stream.close(self._now(), error))
        self._write_outgoing()
        if error is not None:
            self._disconnect()
        else:
            self._watch_deadline()

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

    # Time.

    def _watch_deadline(self) -> None:
        self._cancel_timer()
        deadline = self._stream.deadline
        if deadline is not None:
            self._timer = self._runtime.wheel.schedule(deadline, self._on_deadline)

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

    # The allowance.

    def _hold_to(self, bytes_per_s: int) -> None:
        """Limit what the peer may send in the long run; 0 is no limit."""
        self._allowance = Allowance(Rate(bytes_per_s, burst_s=1.0), self._now()) if bytes_per_s else None

    def _account(self, allowance: Allowance, size: int, now: float) -> bool:
        """Take bytes from the peer's allowance; past it, it is not read from until it has some again."""
        wait_s = allowance.take(size, self._uncounted, now)
        self._uncounted = 0
        if wait_s and self._connection is not None and not self._busy:
            self._connection.pause()
            self._runtime.schedule(wait_s, self._go_on)
        return not wait_s

    def _go_on(self) -> None:
        """Read on, unless an element is being worked on or the peer has used up its allowance."""
        if self._connection is None or self._busy:
            return
        if self._is_last:
            self._peer_ended()
            return
        if self._allowance is not None and not self._account(self._allowance, 0, self._now()):
            return
        self._connection.resume()
