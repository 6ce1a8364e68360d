"""XEP-0220 §2.2.2: asks authoritative servers whether a key is theirs, so many at one time for everybody."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Protocol

from xmpp_server.errors import Condition
from xmpp_server.net.addresses import customer
from xmpp_server.net.s2s_connect import Connector
from xmpp_server.net.s2s_link import Link, LinkError
from xmpp_server.net.s2s_outgoing import Outgoing
from xmpp_server.streams.dialback import Verdict
from xmpp_server.streams.s2s import Purpose
from xmpp_server.streams.s2s_events import DialbackRequest

#: How long an authoritative server may take, with the connection to it.
VERIFY_S = 20.0
#: Questions at one time: for all, for the claims of one peer (by address), and to the server of one domain. Each may
#: be a connection that somebody else makes us open, to whomever they name.
VERIFICATIONS = 64
FOR_ONE_PEER = 16
TO_ONE_DOMAIN = 8


class Service(Protocol):
    """What is asked of the federation."""

    @property
    def links(self) -> Collection[Link]:
        """All connections."""
        ...


class Verifications:
    """The questions that are open."""

    def __init__(self, service: Service, connector: Connector) -> None:
        self._service = service
        self._connector = connector
        self._open = 0
        self._peers: Counter[str] = Counter()
        self._domains: Counter[str] = Counter()

    async def verify(self, request: DialbackRequest, peer: str) -> tuple[Verdict, Condition | None]:
        """Return what the authoritative server says of a claim, or why nothing is known; `peer` is an IP address."""
        source, domain = customer(peer) if peer else "", request.pair.sender
        if self._open >= VERIFICATIONS or self._peers[source] >= FOR_ONE_PEER or self._domains[domain] >= TO_ONE_DOMAIN:
            return Verdict.ERROR, Condition.RESOURCE_CONSTRAINT
        self._count(source, domain, 1)
        try:
            async with asyncio.timeout(VERIFY_S):
                return await self._ask(request), None
        except LinkError as error:
            return Verdict.ERROR, error.condition
        except TimeoutError:
            return Verdict.ERROR, Condition.REMOTE_SERVER_TIMEOUT
        finally:
            self._count(source, domain, -1)

    def _count(self, source: str, domain: str, change: int) -> None:
        self._open += change
        for counter, key in ((self._peers, source), (self._domains, domain)):
            counter[key] += change
            if not counter[key]:
                del counter[key]

    async def _ask(self, request: DialbackRequest) -> Verdict:
        """Ask on a link that is there, or on one made for this."""
        pair = request.pair.swapped()
        for link in self._service.links:
            if isinstance(link, Outgoing) and link.established and pair.target in link.remotes:
                return await link.ask(pair, request.stream_id, request.key)
        link = await self._connector.open(pair, Purpose.VERIFY)
        try:
            return await link.ask(pair, request.stream_id, request.key)
        finally:
            link.close(None)
