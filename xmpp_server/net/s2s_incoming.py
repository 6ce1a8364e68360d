"""The driver of a connection that another server has made."""

from __future__ import annotations

import structlog

from xmpp_server.errors import Condition
from xmpp_server.net.peer_trust import Standing
from xmpp_server.net.s2s_link import Link, Service
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import StartTls, StreamEvent
from xmpp_server.streams.s2s_events import DialbackRequest, JudgeRequest, Proven
from xmpp_server.streams.s2s_in import S2SInStream
from xmpp_server.streams.stream import Events

log = structlog.get_logger()

#: What a claim to be a domain takes from a peer's allowance: signatures, connections, tasks are more work than stanzas.
CLAIM_STANZAS = 10


class Incoming(Link):
    """A link on which the peer proves its domains."""

    __slots__ = ("_proven", "_refuted")

    _stream: S2SInStream

    def __init__(self, service: Service) -> None:
        super().__init__(service, S2SInStream(service.policy, service.runtime.now()))
        #: Pairs that the peer wants to hear from here, until that is possible (XEP-0288).
        self._proven: list[Pair] = []
        #: Domains that have another certificate, says DNSSEC. Dialback may prove them, as they may call from elsewhere,
        #: but what is sent to them goes where DNSSEC says.
        self._refuted: set[str] = set()

    @property
    def stream(self) -> S2SInStream:
        """The XML stream."""
        return self._stream

    @property
    def names(self) -> dict[str, str]:
        """Who talks to whom."""
        return {
            "direction": "in",
            "remote": self._stream.remote or "",
            "local": self._stream.local or "",
            "peer": self.address,
        }

    @property
    def remotes(self) -> frozenset[str]:
        """What the peer has proven, or what it says it is."""
        return self._stream.proven or frozenset(filter(None, (self._stream.remote,)))

    @property
    def locals(self) -> frozenset[str]:
        """What the peer has asked for."""
        return self._stream.targets or frozenset(filter(None, (self._stream.local,)))

    def tls_established(self) -> None:
        """Begin anew inside TLS."""
        tls = None if self._connection is None else self._connection.tls
        if tls is None:
            return
        chain = tls.peer_chain
        judge = self._service.judge
        self._stream.tls_established((lambda domain: judge.proves(chain, domain)) if chain else None, asks=judge.asks)

    def received(self, data: bytes) -> None:
        """Take bytes."""
        super().received(data)
        self._adopt()

    def _go_on(self) -> None:
        super()._go_on()
        self._adopt()

    def _adopt(self) -> None:
        """Let our stanzas go this way once the peer knows that it is believed, and SASL's new stream has begun."""
        while self._proven and self.established and not self._busy:
            self._service.adopt(self, self._proven.pop())

    def _obey(self, event: StreamEvent) -> None:
        if isinstance(event, StartTls):
            self._write_outgoing()
            if self._connection is not None:
                self._connection.start_tls(self._service.tls)
        elif isinstance(event, JudgeRequest):
            self._runtime.spawn(self._answer(event), "s2s-judge")
        elif isinstance(event, DialbackRequest):
            self._uncounted += CLAIM_STANZAS
            self._runtime.spawn(self._verify(event), "s2s-verify")
        elif isinstance(event, Proven):
            self._uncounted += CLAIM_STANZAS
            self.method = event.method
            self._share_allowance(event.domain)
            self._watch_deadline()
            if self._stream.bidi and event.domain not in self._refuted:
                self._proven.append(Pair(event.local, event.domain))
            log.info("s2s-proven", domain=event.domain, method=event.method, **self.names)

    async def _answer(self, request: JudgeRequest) -> None:
        await self._judge(request.domain)

    async def _judge(self, domain: str) -> bool:
        """Hold the certificate against all that may prove a domain."""
        tls = None if self._connection is None else self._connection.tls
        chain = () if tls is None else tls.peer_chain
        standing = await self._service.judge.judge_client(chain, domain)
        proven = standing is Standing.PROVEN
        if standing is Standing.REFUSED:
            self._refuted.add(domain)
        self._follow(self._stream.judged(domain, proven=proven, now=self._now()))
        return proven

    async def _verify(self, request: DialbackRequest) -> None:
        verdict, error = await self._verdict(request)
        self._follow(self._stream.dialback_answer(request.pair, verdict, error))

    async def _verdict(self, request: DialbackRequest) -> tuple[Verdict, Condition | None]:
        """Ask the authoritative server, unless the certificate says it, or nothing else counts."""
        domain = request.pair.sender
        if self._stream.has_to_judge(domain):
            if await self._judge(domain):
                return Verdict.VALID, None
            if not self._service.policy.rules.dialback:
                return Verdict.ERROR, Condition.POLICY_VIOLATION
        return await self._service.verify(request, self.peer)

    def _follow(self, events: Events) -> None:
        """Handle events that came of something else than bytes, in their turn."""
        if self._busy:
            self._backlog += events
        else:
            self._handle(events)
        self._write_unless_early()
        self._adopt()
