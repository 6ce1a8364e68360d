"""What goes from one domain of ours to one elsewhere: in its order (RFC 6120 §10.1), bounded while there is no link."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Protocol

import structlog

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s_link import Link, LinkError
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.streams.dialback import Pair
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()

#: From the first stanza that waits for a link to the error that its sender gets.
CONNECT_S = 25.0
#: What waits for one link; `s2s.WAITING_BYTES` is for all.
QUEUE_STANZAS = 1000
QUEUE_BYTES = 1 << 20
#: Failures in a row double the time until the next try.
BACKOFF_S = (1.0, 300.0)
#: A link that was lost sooner counts as a failure.
PROVED_S = 10.0


class Service(Protocol):
    """What a lane asks of the federation."""

    @property
    def runtime(self) -> LoopRuntime:
        """Time and tasks."""
        ...

    async def link(self, pair: Pair) -> Outgoing:
        """Return a link that takes a pair's stanzas; raises LinkError."""
        ...

    def reserve(self, size: int) -> bool:
        """Take some of the bytes that may wait for all links together; false if there are not so many left."""
        ...

    def give_back(self, size: int) -> None:
        """Return bytes that `reserve` has taken."""
        ...

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Tell the sender of a stanza that it was not sent."""
        ...

    def unreachable(self, domain: str) -> None:
        """Note that a domain's server could not be reached."""
        ...


class Lane:
    """The way of one pair of domains: a link, or a queue, or for some time the same answer to everything."""

    __slots__ = ("_bytes", "_failure", "_failures", "_queue", "_retry_at", "_service", "connecting", "link", "pair")

    def __init__(self, service: Service, pair: Pair) -> None:
        self._service = service
        self.pair = pair
        self.link: Link | None = None
        self.connecting = False
        self._queue: deque[Stanza] = deque()
        self._bytes = 0
        #: Failures in a row, what the last one was, and until when it is the answer to everything.
        self._failures = 0
        self._failure: LinkError | None = None
        self._retry_at = 0.0

    @property
    def queued(self) -> int:
        """How many stanzas wait."""
        return len(self._queue)

    def send(self, stanza: Stanza) -> None:
        """Send a stanza, now or when there is a link.

        Raises:
            StanzaError: Too much waits for the server, or it could not be reached a moment ago.

        """
        link = self.link
        if link is not None:
            link.send(stanza)
            return
        if not self.connecting and self._failure is not None and self._service.runtime.now() < self._retry_at:
            raise _told(self._failure)
        size = len(stanza.wire)
        if len(self._queue) >= QUEUE_STANZAS or self._bytes + size > QUEUE_BYTES:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too much waits for that server already")
        if not self._service.reserve(size):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too much waits for other servers already")
        self._queue.append(stanza)
        self._bytes += size
        if stanza.receipt is not None:
            stanza.receipt.hold()
        self.connect()

    def connect(self) -> None:
        """See to a link, unless there is one or will be."""
        if self.link is None and not self.connecting:
            self.connecting = True
            self._service.runtime.spawn(self._connect(), "s2s-connect")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                link = await self._service.link(self.pair)
        except LinkError as error:
            self._failed(error)
        except TimeoutError:
            self._failed(LinkError(Condition.REMOTE_SERVER_TIMEOUT, "The server takes too long"))
        except BaseException:
            self._failed(LinkError(Condition.INTERNAL_SERVER_ERROR, ""))
            raise
        else:
            self._connected(link)

    def _connected(self, link: Outgoing) -> None:
        self.connecting = False
        if not link.open:
            self._failed(LinkError(Condition.REMOTE_SERVER_TIMEOUT, "The server has hung up"))
            return
        names = {**link.names, "local": self.pair.sender, "remote": self.pair.target}
        log.info("s2s-ready", method=link.method, trusted=link.stream.trusted, tls=link.tls_version, **names)
        self._use(link)

    def adopt(self, link: Link) -> None:
        """Use a link of the peer's, if there is none yet."""
        if self.link is None and not self.connecting and link.open:
            self.forgive()
            self._use(link)

    def _use(self, link: Link) -> None:
        self.link = link
        for stanza in self._take():
            try:
                link.send(stanza)
            except StanzaError as error:
                self._service.refuse(stanza, error)
            release(stanza)

    def _failed(self, failure: LinkError) -> None:
        """Tell all senders, and do not try again for some time."""
        self.connecting = False
        self._note(failure)
        log.info("s2s-failed", remote=self.pair.target, local=self.pair.sender, reason=failure.text, queued=self.queued)
        for stanza in self._take():
            self._service.refuse(stanza, _told(failure))
            release(stanza)
        if failure.condition is not Condition.RESOURCE_CONSTRAINT:  # else it was not even called
            self._service.unreachable(self.pair.target)

    def _note(self, failure: LinkError) -> None:
        first, last = BACKOFF_S
        delay_s = min(last, first * 2**self._failures)
        self._failures = min(self._failures + 1, 20)
        self._failure = failure
        self._retry_at = self._service.runtime.now() + delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - no secret

    def lost(self, link: Link) -> None:
        """A link is gone; if it was ours, the next stanza makes a new one."""
        if link is not self.link:
            return
        self.link = None
        if self._service.runtime.now() - link.since < PROVED_S:
            self._note(LinkError(Condition.REMOTE_SERVER_TIMEOUT, "The server hangs up at once"))
        else:
            self.forgive()

    def forgive(self) -> None:
        """Forget failures."""
        self._failures = 0
        self._failure = None
        self._retry_at = 0.0

    def idle(self, now: float) -> bool:
        """Whether there is nothing to remember."""
        return self.link is None and not self.connecting and not self._queue and now > self._retry_at + BACKOFF_S[1]

    def _take(self) -> list[Stanza]:
        queue = list(self._queue)
        self._queue.clear()
        self._service.give_back(self._bytes)
        self._bytes = 0
        return queue


def release(stanza: Stanza) -> None:
    """Say that the stanza was written, or that its sender knows that it was not (`core.receipts`)."""
    if stanza.receipt is not None:
        stanza.receipt.release()


def _told(failure: LinkError) -> StanzaError:
    return StanzaError(failure.condition, failure.text)
