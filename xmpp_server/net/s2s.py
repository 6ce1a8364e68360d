"""The federation: the route to every domain that is not ours (RFC 6120 §10.4), an ordered lane for each pair."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.core.router import Router
from xmpp_server.core.service import Service
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.net import s2s_lane
from xmpp_server.net.allowance import Allowance, Allowances
from xmpp_server.net.connection import TlsSide
from xmpp_server.net.dns import is_address, to_ascii
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s_acknowledgement import let_go
from xmpp_server.net.s2s_connect import Connector, Reach
from xmpp_server.net.s2s_crowd import Crowds
from xmpp_server.net.s2s_incoming import Incoming
from xmpp_server.net.s2s_lane import Lane
from xmpp_server.net.s2s_link import Link
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.net.s2s_presence import Presences
from xmpp_server.net.s2s_sharing import Sharing
from xmpp_server.net.s2s_verify import Verifications
from xmpp_server.net.tls import ALPN_XMPP_SERVER
from xmpp_server.stanzas.error import error_reply
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import FederationPolicy
from xmpp_server.streams.s2s_events import DialbackRequest
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()

#: Pairs of domains that are remembered. Past them those with neither link nor queue are forgotten, the oldest first.
LANES = 10_000
#: What waits for all links that are being made.
WAITING_BYTES = 64 << 20
#: After a link was lost, until we look whether the people who were available there still are.
GRACE_S = 30.0
#: So many presences end in one turn of the event loop.
ENDS_AT_ONCE = 100
#: How often idle links are looked for.
SWEEP_S = 30.0


class Federation:
    """All links with other servers (`core.router.Route`, `net.s2s_link.Service`)."""

    def __init__(self, policy: FederationPolicy, router: Router, runtime: LoopRuntime, reach: Reach) -> None:
        self.policy = policy
        self.runtime = runtime
        self.tls = reach.tls
        self.judge = reach.judge
        self._rights = reach.rights
        self._allowances = Allowances(reach.rate, runtime.now, LANES)
        self.links: set[Link] = set()
        self.lanes: dict[Pair, Lane] = {}
        self.router = router
        self._reach = reach
        self._connector = Connector(self, reach)
        self._sharing = Sharing(self, self._connector)
        self._verifications = Verifications(self, self._connector)
        self._crowds = Crowds()
        self._waiting_bytes = 0
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
        if self._rights.confines(sender):
            raise StanzaError(Condition.FORBIDDEN, "You may not talk to other servers")
        self._send(stanza, Pair(local, remote))
        return None

    def _send(self, stanza: Stanza, pair: Pair) -> None:
        lane = self.lanes.get(pair) or self._new_lane(pair, LANES)
        lane.send(stanza)

    def _new_lane(self, pair: Pair, most: int) -> Lane:
        """Remember one more pair; raises StanzaError if there are `most` that cannot be forgotten."""
        if len(self.lanes) >= most:
            resting = next((one for one, lane in self.lanes.items() if lane.link is None and not lane.connecting), None)
            if resting is None:
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too many servers are talked to already")
            del self.lanes[resting]
        lane = self.lanes[pair] = Lane(self, pair)
        return lane

    def take(self, stanza: Stanza) -> Wait:
        """Route a stanza from a peer that has proven its domain."""
        assert stanza.to is not None  # noqa: S101
        if self._rights.confines(stanza.to):
            self._turn_away(stanza)
            return None
        if stanza.name == "presence":
            self._presences.note(stanza)
        wait = self.router.route(stanza)
        return None if wait is None else self.router.guard(stanza, wait)

    def _turn_away(self, stanza: Stanza) -> None:
        """Answer for one of ours who has nothing to do with other servers, as if there were no such account."""
        reply = error_reply(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
        if reply is not None and reply.sender is not None and reply.to is not None:
            with contextlib.suppress(StanzaError):  # there is nobody else to tell
                self._send(reply, Pair(reply.sender.domainpart, reply.to.domainpart))

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        """Tell the sender of a stanza that it was not sent."""
        wait = self.router.reject(stanza, error)
        if wait is not None:
            self.runtime.spawn(self.router.guard(stanza, wait), "s2s-refuse")

    async def link(self, pair: Pair) -> Outgoing:
        """Return a link that takes a pair's stanzas; raises LinkError."""
        async with self._crowds.place(pair.target):
            return await self._sharing.link(pair)

    def reserve(self, size: int) -> bool:
        """Take some of the bytes that may wait for links; false if there are not so many left."""
        if self._waiting_bytes + size > WAITING_BYTES:
            return False
        self._waiting_bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Return bytes that `reserve` has taken."""
        self._waiting_bytes -= size

    # What links ask.

    def allowance(self, domain: str) -> Allowance | None:
        """Return what a domain may send, on all its links together."""
        return self._allowances.of(domain)

    def offer(self, pair: Pair, *, direct: bool) -> TlsSide:
        """Return the beginning of TLS with a server."""
        name = None if is_address(pair.target) else to_ascii(pair.target)
        return self._reach.tls_client(pair.sender).to(name, ALPN_XMPP_SERVER if direct else None)

    def opened(self, link: Link) -> None:
        """Note a connection."""
        self.links.add(link)

    def ending(self, link: Link) -> None:
        """Give a link no more stanzas."""
        if not link.was_established:
            return
        for lane in self.lanes.values():
            lane.lost(link)
        if not link.open:  # nothing more is acknowledged on it: what it has not brought over comes before what follows
            self._send_again(link)

    def adopt(self, link: Link, pair: Pair) -> None:
        """Send on a link that the peer has opened for both directions, unless there is one already."""
        with contextlib.suppress(StanzaError):  # those who call us leave room for those whom we call
            lane = self.lanes.get(pair) or self._new_lane(pair, LANES // 2)
            lane.adopt(link)

    def closed(self, link: Link) -> None:
        """Forget a connection."""
        self.links.discard(link)
        self.ending(link)
        local = link.names["local"]
        if link.was_established and self.policy.serves(local) and not self._closing:
            for domain in link.remotes:
                if domain in self._presences:
                    self.runtime.schedule(GRACE_S, partial(self._look_after, Pair(local, domain)))
        if not self.links and self._empty is not None:
            self._empty.set()

    def _send_again(self, link: Link) -> None:
        """Give what a lost link's peer has not acknowledged to a new link, or back to its senders (XEP-0198)."""
        stanzas = link.take_unacknowledged()
        if not stanzas or self._closing:
            return
        worked = self.runtime.now() - link.since >= s2s_lane.PROVED_S
        for stanza in stanzas:
            try:
                if not worked:  # it may be this very stanza that the peer cannot bear
                    raise StanzaError(Condition.REMOTE_SERVER_TIMEOUT, "The server has hung up")
                self.route(stanza)
            except StanzaError as error:
                self.refuse(stanza, error)
        let_go(stanzas)

    def _look_after(self, pair: Pair) -> None:
        """See whether the server of people who were available is there, some time after a link with it was lost."""
        domain = pair.target
        if self._closing or domain not in self._presences or self._is_linked(domain):
            return
        if not self.policy.admits(domain, pair.sender):
            self.unreachable(domain)
            return
        with contextlib.suppress(StanzaError):
            lane = self.lanes.get(pair) or self._new_lane(pair, LANES)
            lane.connect()

    def unreachable(self, domain: str) -> None:
        """Nobody there is available any more, as far as we can tell."""
        if self._is_linked(domain):
            return
        for stanza in self._presences.end(domain, self._is_service, ENDS_AT_ONCE):
            wait = self.router.route(stanza)
            if wait is not None:
                self.runtime.spawn(self.router.guard(stanza, wait), "s2s-presence")
        if domain in self._presences:
            self.runtime.soon(partial(self.unreachable, domain))

    def _is_linked(self, domain: str) -> bool:
        return any(link.established and domain in link.remotes for link in self.links)

    def _is_service(self, jid: JID) -> bool:
        return isinstance(self.router.routes.get(jid.domainpart), Service)

    async def verify(self, request: DialbackRequest, peer: str) -> tuple[Verdict, Condition | None]:
        """Ask the authoritative server of a claim."""
        return await self._verifications.verify(request, peer)

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
        self._sharing.forgive()
        count = 0
        for link in tuple(self.links):
            if domain is None or domain in link.remotes:
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
            if not all(self.policy.admits(remote, local) for remote in link.remotes for local in link.locals or {""}):
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
                "local": ", ".join(sorted(link.locals)),
                "remote": ", ".join(sorted(link.remotes)),
                "state": _state(link),
                "method": link.method,
                "tls": link.tls_version,
                "peer": link.address,
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


def _state(link: Link) -> str:
    if not link.established:
        return "negotiating"
    return "slowed" if link.slowed else "open"
