"""The driver of a connection that we make to another server."""

from __future__ import annotations

import asyncio

from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.net.connection import Connection
from xmpp_server.net.dane import Association
from xmpp_server.net.dns import Target
from xmpp_server.net.peer_trust import Standing
from xmpp_server.net.s2s_link import Link, LinkError, Service
from xmpp_server.streams import sm_nonzas
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import StartTls, StreamEvent
from xmpp_server.streams.s2s import Purpose
from xmpp_server.streams.s2s_events import Claimed, Ready, Verified
from xmpp_server.streams.s2s_out import S2SOutStream
from xmpp_server.streams.stream import Events


class Outgoing(Link):
    """A link on which we prove our domains. `ready` ends when it can be used, or with a LinkError."""

    __slots__ = ("_association", "_claims", "_purpose", "_questions", "_reason", "place", "ready")

    _stream: S2SOutStream

    def __init__(self, service: Service, pair: Pair, purpose: Purpose, place: Target, *, external: bool = True) -> None:
        stream = S2SOutStream(service.policy, pair, purpose, service.runtime.now(), external=external)
        super().__init__(service, stream)
        self.place = place
        self._association = Association()
        self._purpose = purpose
        #: Stanzas, or questions, can be sent; by which method we have authenticated.
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._questions: dict[tuple[Pair, str], asyncio.Future[Verdict]] = {}
        self._claims: dict[Pair, asyncio.Future[Verdict]] = {}
        #: Why the connection was lost.
        self._reason: Exception | None = None

    @property
    def stream(self) -> S2SOutStream:
        """The XML stream."""
        return self._stream

    @property
    def names(self) -> dict[str, str]:
        """Who talks to whom."""
        pair = self._stream.pair
        return {"direction": "out", "remote": pair.target, "local": pair.sender, "peer": self.address}

    @property
    def remotes(self) -> frozenset[str]:
        """The domains that we send to."""
        return frozenset({self._stream.pair.target} | {pair.target for pair in self._stream.pairs})

    @property
    def locals(self) -> frozenset[str]:
        """Our domains that send here."""
        return frozenset({self._stream.pair.sender} | {pair.sender for pair in self._stream.pairs})

    @property
    def shareable(self) -> bool:
        """Whether one more pair may be sent here."""
        return self.established and self._stream.shareable

    def proves(self, domain: str) -> bool:
        """Tell whether the peer's certificate proves a domain, too."""
        tls = None if self._connection is None else self._connection.tls
        return tls is not None and self._service.judge.proves(tls.peer_chain, domain)

    def expect(self, association: Association) -> None:
        """Hold these records of DNSSEC against the peer's certificate; where there are any there must be TLS."""
        self._association = association
        if association.records:
            self._stream.must_encrypt = True

    async def join(self, pair: Pair) -> Verdict:
        """Ask the peer to take one more pair on this stream (XEP-0220 §2.6); only with VALID it does.

        Raises:
            LinkError: The link is gone, or takes no claim.

        """
        if not self._stream.claim(pair):
            raise LinkError(Condition.RESOURCE_CONSTRAINT, "Too many pairs")
        self.last_used = self._now()
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._claims[pair] = answer
        self._write_outgoing()
        try:
            return await answer
        finally:
            self._claims.pop(pair, None)

    async def ask(self, pair: Pair, stream_id: str, key: str) -> Verdict:
        """Ask the peer, an authoritative server, for its verdict on a key.

        Raises:
            LinkError: The link is gone, or has too many questions open.

        """
        question = (pair, stream_id)
        if question in self._questions or not self._stream.ask(pair, stream_id, key):
            raise LinkError(Condition.RESOURCE_CONSTRAINT, "Too many questions")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._questions[question] = answer
        self._write_outgoing()
        try:
            return await answer
        finally:
            self._questions.pop(question, None)

    # What the socket says.

    def connected(self, connection: Connection) -> None:
        """Begin; with direct TLS the stream begins inside."""
        super().connected(connection)
        if not self.place.direct_tls:
            self._stream.start()
            self._write_outgoing()

    def tls_established(self) -> None:
        """Go on inside TLS."""
        tls = None if self._connection is None else self._connection.tls
        if tls is None:
            return
        judge = self._service.judge
        if judge.asks:
            self._begin(self._judge(tls.peer_chain))
            return
        self._stream.tls_established(trusted=judge.proves(tls.peer_chain, self._stream.pair.target))
        self._write_outgoing()

    async def _judge(self, chain: tuple[bytes, ...]) -> Events:
        domain = self._stream.pair.target
        standing = await self._service.judge.judge_server(chain, domain, self._association)
        if standing is Standing.REFUSED:  # RFC 7673 §3.4: not even with dialback
            raise StreamError(
                StreamCondition.NOT_AUTHORIZED, "The server's certificate is not the one that DNSSEC names"
            )
        self._stream.tls_established(trusted=standing is Standing.PROVEN)
        return []

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._reason = error
        super().lost(error)

    def _gone(self) -> None:
        failure = _failure(self._stream.error, self._reason)
        if not self.ready.done():
            self.ready.set_exception(failure)
            self.ready.exception()  # it may be that nobody waits any more
        for answer in (*self._questions.values(), *self._claims.values()):
            if not answer.done():
                answer.set_exception(failure)
                answer.exception()
        super()._gone()

    # What the stream says.

    def _obey(self, event: StreamEvent) -> None:
        if isinstance(event, StartTls):
            if self._connection is not None:
                self._connection.start_tls(self._service.offer(self._stream.pair, direct=False))
        elif isinstance(event, Ready):
            self._begin_to_send(event)
        elif isinstance(event, Verified):
            answer = self._questions.pop((event.pair, event.stream_id), None)
            if answer is not None and not answer.done():
                answer.set_result(event.verdict)
        elif isinstance(event, Claimed):
            answer = self._claims.pop(event.pair, None)
            if answer is not None and not answer.done():
                answer.set_result(event.verdict)

    def _begin_to_send(self, event: Ready) -> None:
        self._cancel_timer()
        self.method = event.method
        self.most_bytes = self._stream.most_bytes
        self._share_allowance(self._stream.pair.target)
        if event.acknowledges and self._purpose is Purpose.STANZAS:
            self._count(sm_nonzas.ENABLE)
        self.since = self._now()
        if not self.ready.done():
            self.ready.set_result(event.method)


#: What the peer's end of the stream means to whoever waits for it to take a stanza; else it is a time-out.
_NOT_FOUND = frozenset({StreamCondition.HOST_UNKNOWN, StreamCondition.HOST_GONE})


def _failure(stream: StreamError | None, transport: Exception | None) -> LinkError:
    if stream is not None:
        condition = (
            Condition.REMOTE_SERVER_NOT_FOUND if stream.condition in _NOT_FOUND else Condition.REMOTE_SERVER_TIMEOUT
        )
        return LinkError(condition, stream.text or stream.condition.value)
    return LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(transport or "The server has hung up"))
