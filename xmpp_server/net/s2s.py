"""The federation: the route to every domain that is not ours (RFC 6120 §10.4), an ordered lane for each pair."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.core.router import Router
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.net.connection import TlsSide
from xmpp_server.net.dialer import Dialer
from xmpp_server.net.dns import LookupFailedError, NoServerError, Resolver, Target, is_address, to_ascii
from xmpp_server.net.peer_trust import PeerTrust
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s_link import Incoming, Link, LinkError, Outgoing
from xmpp_server.net.s2s_presence import Presences
from xmpp_server.net.tls import ALPN_XMPP_SERVER, TlsServer
from xmpp_server.net.tls_client import TlsClient
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import FederationPolicy, Purpose
from xmpp_server.streams.s2s_events import DialbackRequest
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()

#: From the first stanza that waits for a link to the error that its sender gets.
CONNECT_S = 25.0
#: How long an authoritative server may take, with the connection to it.
VERIFY_S = 20.0
#: What waits for one link.
QUEUE_STANZAS = 1000
QUEUE_BYTES = 1 << 20
#: Pairs of domains that are remembered. Past them those with neither link nor queue are forgotten, the oldest first.
LANES = 10_000
#: Failures in a row double the time until the next try.
BACKOFF_S = (1.0, 300.0)
#: A link that was lost sooner counts as a failure.
PROVED_S = 10.0
#: Questions to authoritative servers at one time.
VERIFICATIONS = 64
#: After a link was lost, until we look whether the people who were available there still are.
GRACE_S = 30.0
#: How often idle links are looked for.
SWEEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Reach:
    """What is needed to find other servers and to judge them."""

    resolver: Resolver
    dialer: Dialer
    trust: PeerTrust
    tls: TlsServer
    #: Makes what we show as a given domain of ours.
    tls_client: Callable[[str], TlsClient]
    #: Fixed places of domains, before DNS.
    routes: Mapping[str, Target] = field(default_factory=dict)
    #: A link on which nothing has passed for so long is closed.
    idle_s: float = 900.0


class Federation:
    """All links with other servers (`core.router.Route`, `net.s2s_link.Service`)."""

    def __init__(self, policy: FederationPolicy, router: Router, runtime: LoopRuntime, reach: Reach) -> None:
        self.policy = policy
        self.runtime = runtime
        self.tls = reach.tls
        self.links: set[Link] = set()
        self.lanes: dict[Pair, Lane] = {}
        self.router = router
        self._reach = reach
        self._verifications = 0
        self._closing = False
        self._presences = Presences()
        self._empty: asyncio.Event | None = None
        runtime.schedule(SWEEP_S, self._sweep)

    def accept(self) -> Incoming:
        """Return the driver of a connection that another server makes."""
        return Incoming(self)

    def route(self, stanza: Stanza) -> Wait:
        """Send a stanza of ours to another server.

        Raises:
            StanzaError: It cannot be sent now.

        """
        sender, to = stanza.sender, stanza.to
        assert sender is not None  # noqa: S101
        assert to is not None  # noqa: S101
        local, remote = sender.domainpart, to.domainpart
        if not self.policy.serves(local):
            raise StanzaError(Condition.NOT_ALLOWED)
        if not self.policy.admits(remote, local):
            raise StanzaError(Condition.NOT_ALLOWED, "There is no talking to that server from here")
        pair = Pair(local, remote)
        lane = self.lanes.get(pair)
        if lane is None:
            self._make_room()
            lane = self.lanes[pair] = Lane(self, pair)
        lane.send(stanza)
        return None

    def _make_room(self) -> None:
        if len(self.lanes) < LANES:
            return
        resting = next((pair for pair, lane in self.lanes.items() if lane.link is None and not lane.connecting), None)
        if resting is None:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too many servers are talked to already")
        del self.lanes[resting]

    def take(self, stanza: Stanza) -> Wait:
        """Route a stanza from a peer that has proven its domain."""
        if stanza.name == "presence":
            self._presences.note(stanza)
        wait = self.router.route(stanza)
        return None if wait is None else self.router.guard(stanza, wait)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Tell the sender of a stanza that it was not sent."""
        wait = self.router.reject(stanza, error)
        if wait is not None:
            self.runtime.spawn(self.router.guard(stanza, wait), "s2s-refuse")

    # What links ask.

    def offer(self, pair: Pair, *, direct: bool) -> TlsSide:
        """Return the beginning of TLS with a server."""
        name = None if is_address(pair.target) else to_ascii(pair.target)
        return self._reach.tls_client(pair.sender).to(name, ALPN_XMPP_SERVER if direct else None)

    def proves(self, chain: tuple[bytes, ...], domain: str) -> bool:
        """Judge a certificate."""
        return self._reach.trust.proves(chain, domain)

    def opened(self, link: Link) -> None:
        """Note a connection."""
        self.links.add(link)

    def ending(self, link: Link) -> None:
        """Give a link no more stanzas."""
        for lane in self.lanes.values():
            lane.lost(link)
        if not link.open:  # nothing more is acknowledged on it: what it has not brought over comes before what follows
            self._send_again(link)

    def adopt(self, link: Link, pair: Pair) -> None:
        """Send on a link that the peer has opened for both directions, unless there is one already."""
        lane = self.lanes.get(pair)
        if lane is None:
            lane = self.lanes[pair] = Lane(self, pair)
        lane.adopt(link)

    def closed(self, link: Link, error: StreamError | None) -> None:
        """Forget a connection."""
        self.links.discard(link)
        self.ending(link)
        for domain in _remotes(link):
            if domain in self._presences and not self._closing:
                local = link.names["local"]
                self.runtime.schedule(GRACE_S, partial(self._look_after, Pair(local, domain)))
        if not self.links and self._empty is not None:
            self._empty.set()

    def _send_again(self, link: Link) -> None:
        """Give what a lost link's peer has not acknowledged to a new link, or back to its senders (XEP-0198)."""
        stanzas = link.take_unacknowledged()
        if not stanzas or self._closing:
            return
        worked = self.runtime.now() - link.since >= PROVED_S
        for stanza in stanzas:
            try:
                if not worked:  # it may be this very stanza that the peer cannot bear
                    raise StanzaError(Condition.REMOTE_SERVER_TIMEOUT, "The server has hung up")
                self.route(stanza)
            except StanzaError as error:
                self.refuse(stanza, error)

    def _look_after(self, pair: Pair) -> None:
        """See whether the server of people who were available is there, some time after a link with it was lost."""
        domain = pair.target
        if self._closing or domain not in self._presences or any(domain in _remotes(link) for link in self.links):
            return
        lane = self.lanes.get(pair)
        if lane is None:
            lane = self.lanes[pair] = Lane(self, pair)
        lane.connect()

    def unreachable(self, domain: str) -> None:
        """Nobody there is available any more, as far as we can tell."""
        if any(link.established and domain in _remotes(link) for link in self.links):
            return
        for stanza in self._presences.end(domain):
            wait = self.router.route(stanza)
            if wait is not None:
                self.runtime.spawn(self.router.guard(stanza, wait), "s2s-presence")

    async def verify(self, request: DialbackRequest) -> tuple[Verdict, Condition | None]:
        """Ask the authoritative server of a claim."""
        if self._verifications >= VERIFICATIONS:
            return Verdict.ERROR, Condition.RESOURCE_CONSTRAINT
        self._verifications += 1
        try:
            async with asyncio.timeout(VERIFY_S):
                return await self._ask(request), None
        except LinkError as error:
            return Verdict.ERROR, error.condition
        except TimeoutError:
            return Verdict.ERROR, Condition.REMOTE_SERVER_TIMEOUT
        finally:
            self._verifications -= 1

    async def _ask(self, request: DialbackRequest) -> Verdict:
        pair = request.pair.swapped()
        lane = self.lanes.get(pair)
        if lane is not None and isinstance(lane.link, Outgoing):
            return await lane.link.ask(pair, request.stream_id, request.key)
        link = await self.open(pair, Purpose.VERIFY)
        try:
            return await link.ask(pair, request.stream_id, request.key)
        finally:
            link.close(None)

    # Connecting.

    async def open(self, pair: Pair, purpose: Purpose) -> Outgoing:
        """Open a link that is ready.

        Raises:
            LinkError: None of the domain's servers would have it.

        """
        failure = LinkError(Condition.REMOTE_SERVER_NOT_FOUND, "The domain has no server")
        for target in await self._targets(pair.target):
            link = Outgoing(self, pair, purpose, direct=target.direct_tls)
            try:
                await self._reach.dialer.connect(
                    target, link, self.offer(pair, direct=True) if target.direct_tls else None
                )
                await link.ready
            except NoServerError as error:
                failure = LinkError(Condition.REMOTE_SERVER_NOT_FOUND, str(error))
            except (OSError, LookupFailedError) as error:
                failure = LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(error) or "The server does not answer")
            except LinkError as error:
                failure = error
            except BaseException:
                link.abort()
                raise
            else:
                return link
            log.info("s2s-attempt-failed", remote=pair.target, host=target.host, port=target.port, reason=failure.text)
        raise failure

    async def _targets(self, domain: str) -> list[Target]:
        fixed = self._reach.routes.get(domain)
        if fixed is not None:
            return [fixed]
        try:
            return await self._reach.resolver.targets(domain)
        except NoServerError as error:
            raise LinkError(Condition.REMOTE_SERVER_NOT_FOUND, str(error)) from None
        except LookupFailedError as error:
            raise LinkError(Condition.REMOTE_SERVER_TIMEOUT, str(error)) from None

    # The end.

    def _sweep(self) -> None:
        """Close links that nobody uses, and forget lanes that say nothing any more."""
        now = self.runtime.now()
        for link in tuple(self.links):
            link.check(now)
            if link.established and now - link.last_used > self._reach.idle_s:
                link.close(None)
        for pair, lane in tuple(self.lanes.items()):
            if lane.idle(now):
                del self.lanes[pair]
        self.runtime.schedule(SWEEP_S, self._sweep)

    def reset(self, domain: str | None = None) -> int:
        """Cut off the links with a domain, or all; return how many. Back-off is forgotten."""
        count = 0
        for link in tuple(self.links):
            if domain is None or domain in _remotes(link):
                link.close(None)
                count += 1
        for pair, lane in self.lanes.items():
            if domain in (None, pair.target):
                lane.forgive()
        return count

    def review(self) -> None:
        """Cut off the links with domains that are not admitted any more; back-off is forgotten."""
        error = StreamError(StreamCondition.POLICY_VIOLATION, "Your domain is not welcome here")
        for link in tuple(self.links):
            if not all(self.policy.admits(remote, str(link.names["local"])) for remote in _remotes(link)):
                link.close(error)
        for lane in self.lanes.values():
            lane.forgive()

    async def close(self, error: StreamError, timeout_s: float) -> None:
        """Close all links, and wait for that."""
        self._closing = True
        for link in tuple(self.links):
            if link.established:
                link.close(error)
            else:
                link.abort()
        if self.links:
            self._empty = asyncio.Event()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
            except TimeoutError:
                for link in tuple(self.links):
                    link.abort()

    def rows(self) -> Iterator[dict[str, object]]:
        """Describe links, and lanes that wait, for operators."""
        now = self.runtime.now()
        for link in self.links:
            yield {
                "direction": link.names["direction"],
                "local": link.names["local"],
                "remote": ", ".join(sorted(_remotes(link))),
                "state": "open" if link.established else "negotiating",
                "method": link.method,
                "tls": link.tls_version,
                "peer": link.peer,
                "age_s": round(now - link.since),
                "idle_s": round(now - link.last_used),
                "queued": link.unacknowledged,
            }
        for pair, lane in self.lanes.items():
            if lane.link is None:
                yield {
                    "direction": "out",
                    "local": pair.sender,
                    "remote": pair.target,
                    "state": "connecting" if lane.connecting else "backing off",
                    "queued": lane.queued,
                }


class Lane:
    """What goes from one domain of ours to one elsewhere, in its order (RFC 6120 §10.1)."""

    __slots__ = ("_bytes", "_failure", "_failures", "_federation", "_queue", "_retry_at", "connecting", "link", "pair")

    def __init__(self, federation: Federation, pair: Pair) -> None:
        self._federation = federation
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
            StanzaError: The queue is full, or the server could not be reached a moment ago.

        """
        link = self.link
        if link is not None:
            link.send(stanza)
            return
        if not self.connecting and self._failure is not None and self._federation.runtime.now() < self._retry_at:
            raise _told(self._failure)
        if len(self._queue) >= QUEUE_STANZAS or self._bytes + len(stanza.wire) > QUEUE_BYTES:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too much waits for that server already")
        self._queue.append(stanza)
        self._bytes += len(stanza.wire)
        if stanza.receipt is not None:
            stanza.receipt.hold()
        self.connect()

    def connect(self) -> None:
        """See to a link, unless there is one or will be."""
        if self.link is None and not self.connecting:
            self.connecting = True
            self._federation.runtime.spawn(self._connect(), "s2s-connect")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                link = await self._federation.open(self.pair, Purpose.STANZAS)
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
        log.info(
            "s2s-ready", method=link.ready.result(), trusted=link.stream.trusted, tls=link.tls_version, **link.names
        )
        self._use(link)

    def adopt(self, link: Link) -> None:
        """Use a link of the peer's, if there is none yet."""
        if self.link is None and not self.connecting and link.open:
            self.forgive()
            self._use(link)

    def _use(self, link: Link) -> None:
        self.link = link
        for stanza in self._take():
            link.send(stanza)
            _release(stanza)

    def _failed(self, failure: LinkError) -> None:
        """Tell all senders, and do not try again for some time."""
        self.connecting = False
        self._note(failure)
        log.info("s2s-failed", remote=self.pair.target, local=self.pair.sender, reason=failure.text, queued=self.queued)
        for stanza in self._take():
            self._federation.refuse(stanza, _told(failure))
            _release(stanza)
        self._federation.unreachable(self.pair.target)

    def _note(self, failure: LinkError) -> None:
        first, last = BACKOFF_S
        delay_s = min(last, first * 2**self._failures)
        self._failures = min(self._failures + 1, 20)
        self._failure = failure
        self._retry_at = self._federation.runtime.now() + delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - no secret

    def lost(self, link: Link) -> None:
        """A link is gone; if it was ours, the next stanza makes a new one."""
        if link is not self.link:
            return
        self.link = None
        if self._federation.runtime.now() - link.since < PROVED_S:
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
        self._bytes = 0
        return queue


def _release(stanza: Stanza) -> None:
    """The stanza was written, or its sender knows that it was not (`core.receipts`)."""
    if stanza.receipt is not None:
        stanza.receipt.release()


def _told(failure: LinkError) -> StanzaError:
    return StanzaError(failure.condition, failure.text)


def _remotes(link: Link) -> frozenset[str]:
    if isinstance(link, Incoming):
        return link.stream.proven or frozenset(filter(None, (link.stream.remote,)))
    return frozenset({link.names["remote"]})
