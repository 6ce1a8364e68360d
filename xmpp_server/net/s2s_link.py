"""What connections with other servers have in common, in either direction: stanzas, acknowledgements, the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Protocol

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.core.receipts import Receipt
from xmpp_server.errors import Condition, StanzaError, StreamError
from xmpp_server.net.allowance import Allowance
from xmpp_server.net.connection import Connection, TlsSide
from xmpp_server.net.driver import Driver
from xmpp_server.net.peer_judge import Judge
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s_acknowledgement import Acknowledgements, let_go
from xmpp_server.net.tls import TlsServer
from xmpp_server.streams import sm_nonzas
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import Ended, StreamEvent
from xmpp_server.streams.s2s import FederationPolicy
from xmpp_server.streams.s2s_events import DialbackRequest
from xmpp_server.streams.stream import Events, Stream
from xmpp_server.xml.namespaces import SM
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()


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

    @property
    def judge(self) -> Judge:
        """Who says what the certificates of peers are worth."""
        ...

    def allowance(self, domain: str) -> Allowance | None:
        """Return what a domain may send; None is no limit."""
        ...

    def take(self, stanza: Stanza) -> Wait:
        """Route a stanza from a peer that has proven its domain."""
        ...

    async def verify(self, request: DialbackRequest, peer: str) -> tuple[Verdict, Condition | None]:
        """Ask the authoritative server of a claim that came from an address; never raises."""
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

    def closed(self, link: Link) -> None:
        """Forget a connection."""
        ...


class Link(Driver):
    """One connection with another server."""

    __slots__ = ("_acknowledgements", "_parted", "_service", "last_used", "method", "most_bytes", "since")

    def __init__(self, service: Service, stream: Stream) -> None:
        super().__init__(service.runtime, stream)
        self._service = service
        #: How the authenticating side has done so, once it has.
        self.method = ""
        #: XEP-0198, once enabled.
        self._acknowledgements: Acknowledgements | None = None
        #: Our side of the stream has ended, or is about to: nothing of XEP-0198 follows.
        self._parted = False
        #: The longest stanza that the peer takes, as far as we know: it would end the stream over a longer one.
        self.most_bytes = service.policy.limits.after_auth.stanza_bytes
        self.since = self.last_used = self._now()

    @property
    @abstractmethod
    def remotes(self) -> frozenset[str]:
        """The peer's domains, as far as they are known."""

    @property
    @abstractmethod
    def locals(self) -> frozenset[str]:
        """Our domains that the peer talks to here, as far as they are known."""

    @property
    def address(self) -> str:
        """The peer's address and port, for operators."""
        return "" if self._connection is None else "{}:{}".format(*self._connection.peer)

    @property
    def tls_version(self) -> str:
        """The version of TLS, or empty."""
        tls = None if self._connection is None else self._connection.tls
        return "" if tls is None else tls.version

    @property
    def open(self) -> bool:
        """Whether there is a connection and a stream on it."""
        return self._connection is not None and not self._stream.closed

    @property
    def established(self) -> bool:
        """Whether stanzas pass."""
        return self.open and self.was_established and self._stream.deadline is None

    @property
    def was_established(self) -> bool:
        """Whether stanzas have passed, or could have: what it says of the peer's domains is proven."""
        return self._stream.jid is not None

    @property
    def unacknowledged(self) -> int:
        """How many stanzas the peer has not confirmed."""
        return 0 if self._acknowledgements is None else len(self._acknowledgements)

    def send(self, stanza: Stanza) -> None:
        """Write a stanza; with XEP-0198 keep it until the peer has it.

        Raises:
            StanzaError: The peer is too far behind to be sent more, or takes nothing that long.

        """
        if len(stanza.wire) > self.most_bytes:
            raise StanzaError(Condition.POLICY_VIOLATION, "The other server takes nothing that long", echo=False)
        kept = self._acknowledgements
        if kept is not None and kept.full:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too much waits for that server already")
        now = self._now()
        self.last_used = now
        if self._connection is None:
            return
        self._connection.write(stanza.wire)
        if kept is not None:
            kept.sent(stanza, now)

    def check(self, now: float) -> None:
        """Give up a peer that acknowledges nothing; ask one that was silent whether it is there."""
        kept = self._acknowledgements
        if kept is None:
            return
        if kept.overdue(now):
            log.info("s2s-no-acknowledgement", unacknowledged=self.unacknowledged, **self.names)
            self.abort()
        else:
            kept.request(now)

    def take_unacknowledged(self) -> list[Stanza]:
        """Return what the peer may not have got, oldest first, and forget it: the link is gone.

        The caller gives it to somebody else, and then lets it go (`s2s_acknowledgement.let_go`).
        """
        return [] if self._acknowledgements is None else self._acknowledgements.clear()

    def close(self, error: StreamError | None) -> None:
        """End the stream from our side."""
        if self._connection is not None:
            self._part()
            self._service.ending(self)
            self._close_stream(error)

    # What the socket says.

    def connected(self, connection: Connection) -> None:
        """Begin: the negotiation has a deadline, whatever arrives."""
        self._connection = connection
        self._service.opened(self)
        self._watch_deadline()

    def eof(self) -> None:
        """The peer sends nothing more."""
        if self._connection is not None:
            self._connection.close()

    def overflow(self) -> None:
        """The peer does not read."""
        log.info("s2s-slow-reader", **self.names)
        self.abort()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if error is not None and not self._stream.closed:
            tell = log.info if self.names["remote"] else log.debug  # without a name it was any scanner of ports
            tell("s2s-lost", reason=str(error), **self.names)
        super().lost(error)

    def _gone(self) -> None:
        self._service.closed(self)

    # What the stream says.

    def _take(self, event: StreamEvent) -> Awaitable[Events] | None:
        if type(event) is not Stanza:
            self._obey(event)
            return None
        if event.ns == SM:
            self._manage(event)
            return None
        return self._receive(event)

    @abstractmethod
    def _obey(self, event: StreamEvent) -> None:
        """Obey an event that is neither a stanza nor the end."""

    def _share_allowance(self, domain: str) -> None:
        """Hold the peer to what the first domain that it has proven may send, on all its connections together."""
        if self._allowance is None:
            self._allowance = self._service.allowance(domain)

    def _receive(self, stanza: Stanza) -> Awaitable[Events] | None:
        """Route a stanza; it is acknowledged once it is safe."""
        self._uncounted += 1
        self.last_used = self._now()
        if self._acknowledgements is None:
            wait = self._service.take(stanza)
            return None if wait is None else _wait(wait)
        receipt = stanza.receipt = self._acknowledgements.received()
        wait = self._service.take(stanza)
        if wait is None:
            return None
        receipt.hold()
        return _release_after(wait, receipt)

    def _manage(self, element: Stanza) -> None:
        """Take an element of XEP-0198; what comes out of place means nothing."""
        kept = self._acknowledgements
        if element.name == "enable":
            if kept is None:
                self._count(sm_nonzas.enabled())
        elif element.name == "failed":
            self._acknowledgements = None
            let_go(() if kept is None else kept.clear())
        elif kept is not None:
            try:
                kept.take(element, self._now())
            except StreamError as error:
                self.close(error)

    def _count(self, announcement: bytes) -> None:
        """Write what enables XEP-0198 (§3), and count from there on."""
        self._acknowledgements = Acknowledgements(self._say)
        self.write(announcement)

    def _say(self, data: bytes) -> None:
        if not self._parted:
            self.write(data)

    def _part(self) -> None:
        """Acknowledge what is safe before our side of the stream ends, lest the peer send it again (XEP-0198 §4)."""
        if self._acknowledgements is not None and not self._parted:
            self._acknowledgements.farewell()
        self._parted = True

    def _fail(self, error: StreamError) -> None:
        self.close(error)

    def _ended(self, event: Ended) -> None:
        self._part()
        self._service.ending(self)


async def _wait(wait: Awaitable[None]) -> Events:
    await wait
    return []


async def _release_after(wait: Awaitable[None], receipt: Receipt) -> Events:
    try:
        await wait
    finally:
        receipt.release()
    return []
