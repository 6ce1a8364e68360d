"""XEP-0220 §2.6: several pairs of domains on one stream to the same server, where the peer takes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence, Set
from typing import Protocol, TypeAlias

import structlog

from xmpp_server.net.dns import Target
from xmpp_server.net.runtime import LoopRuntime
from xmpp_server.net.s2s_connect import Connector
from xmpp_server.net.s2s_link import Link, LinkError
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.s2s import FederationPolicy, Purpose

log = structlog.get_logger()

#: How long a pair waits for a link to the same server that another pair is about to get.
WAIT_S = 5.0
#: How long the peer may take to say whether it takes one more pair; it may have to ask our own server.
CLAIM_S = 8.0
#: How long a pair has streams of its own after a claim that came to nothing, and so have all pairs of a server that has
#: hung up over one. So much of that is remembered.
ALONE_S = 3600.0
ALONE = 10_000

#: A host's name or address, port, and whether TLS comes first.
_Place: TypeAlias = tuple[str, int, bool]


class Service(Protocol):
    """What is asked of the federation."""

    @property
    def policy(self) -> FederationPolicy:
        """The server, to its streams."""
        ...

    @property
    def runtime(self) -> LoopRuntime:
        """Time and tasks."""
        ...

    @property
    def links(self) -> Collection[Link]:
        """All connections."""
        ...


class Sharing:
    """Finds the stream for a pair: one that is there and takes it, or a new one."""

    def __init__(self, service: Service, connector: Connector) -> None:
        self._service = service
        self._connector = connector
        #: Where links are being made, each with what ends that.
        self._making: dict[_Place, asyncio.Event] = {}
        #: Pairs, and places, that do not share, with when that began.
        self._alone: dict[Pair | _Place, float] = {}

    async def link(self, pair: Pair) -> Outgoing:
        """Return a link that takes a pair's stanzas.

        Raises:
            LinkError: There is none.

        """
        targets = await self._connector.targets(pair.target)
        places = {_place(target) for target in targets}
        if not (self._is_alone(pair) or any(map(self._is_alone, places))):
            await self._let_others_finish(places)
            link = await self._suitable(pair, targets, places)
            if link is not None and await self._takes(link, pair):
                return link
        made = asyncio.Event()
        for place in places:
            self._making.setdefault(place, made)
        try:
            return await self._connector.open(pair, Purpose.STANZAS)
        finally:
            self._making = {place: other for place, other in self._making.items() if other is not made}
            made.set()

    def _is_alone(self, one: Pair | _Place) -> bool:
        since = self._alone.get(one)
        if since is not None and self._service.runtime.now() - since > ALONE_S:
            del self._alone[one]
            return False
        return since is not None

    async def _let_others_finish(self, places: set[_Place]) -> None:
        made = next((self._making[place] for place in places if place in self._making), None)
        if made is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await made.wait()

    async def _suitable(self, pair: Pair, targets: Sequence[Target], places: Set[_Place]) -> Outgoing | None:
        """Look for one stream to ask: what the peer refuses on one, or does not answer, it will on others, too."""
        links = [
            link
            for link in self._service.links
            if isinstance(link, Outgoing) and link.shareable and not self._is_alone(_place(link.place))
        ]
        if links:
            addresses = [
                (address, target.port, target.direct_tls)
                for target in targets
                for address in await self._connector.addresses(target)
            ]
            places = places | set(addresses)
        return next((link for link in links if self._suits(link, pair, targets, places)), None)

    def _suits(self, link: Outgoing, pair: Pair, targets: Sequence[Target], places: Set[_Place]) -> bool:
        """Tell whether a stream leads to the same domain, or to another that DNS says is in the same place."""
        if pair.target in link.remotes:
            return True
        place = link.place
        if any(target.secure for target in targets):  # what DNSSEC says of one host is no proof of another
            places = {_place(target) for target in targets} if place.secure else frozenset()
        if _place(place) not in places and (link.peer, place.port, place.direct_tls) not in places:
            return False
        return self._service.policy.rules.dialback or link.proves(pair.target)

    async def _takes(self, link: Outgoing, pair: Pair) -> bool:
        try:
            async with asyncio.timeout(CLAIM_S):
                verdict = await link.join(pair)
        except (LinkError, TimeoutError):
            verdict = Verdict.ERROR
        log.info("s2s-joined", verdict=verdict.value, **{**link.names, "local": pair.sender, "remote": pair.target})
        if verdict is Verdict.VALID and link.established:
            return True
        if len(self._alone) >= ALONE:
            del self._alone[next(iter(self._alone))]
        self._alone[pair if link.open else _place(link.place)] = self._service.runtime.now()
        return False

    def forgive(self) -> None:
        """Forget who does not share."""
        self._alone.clear()


def _place(target: Target) -> _Place:
    return target.host, target.port, target.direct_tls
