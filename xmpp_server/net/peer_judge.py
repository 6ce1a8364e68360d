"""Whether a peer is who it says it is, by all that a certificate can be held against: PKIX, DANE, POSH (RFC 7712)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog

from xmpp_server.net import dane
from xmpp_server.net.dane import Association
from xmpp_server.net.dns import NoServerError, Resolver, Target
from xmpp_server.net.lookup import LookupFailedError
from xmpp_server.net.peer_trust import PeerTrust, Standing
from xmpp_server.net.posh import Posh

log = structlog.get_logger()

#: How long one judgement may take, with all questions.
JUDGE_S = 15.0
#: Peers that have connected to us and are judged at one time; who comes when there are so many is left to dialback.
AT_ONCE = 64
#: Of the places that a peer's domain names, so many are asked for records.
TARGETS = 8


class Judge:
    """Judges the certificates of other servers."""

    def __init__(self, trust: PeerTrust, resolver: Resolver, posh: Posh | None, routed: Collection[str] = ()) -> None:
        """Prepare.

        Args:
            trust: For PKIX.
            resolver: For DANE, if it believes its nameservers.
            posh: What asks web servers; None: none are asked.
            routed: Domains whose place is configured, so that they need not stand in DNS.

        """
        self._trust = trust
        self._resolver = resolver
        self._posh = posh
        self._routed = routed
        self._judging = 0

    @property
    def asks(self) -> bool:
        """Whether there is more to hold a certificate against than `proves` does at once."""
        return self._resolver.validated or self._posh is not None

    def proves(self, chain: Sequence[bytes], domain: str) -> bool:
        """Tell whether a chain proves a domain by PKIX alone."""
        return self._trust.proves(chain, domain)

    async def association(self, target: Target) -> Association:
        """Return what to hold against the certificate of a server that we connect to.

        Raises:
            LookupFailedError: It is not to be connected to (RFC 7673 §3.3).

        """
        return await self._resolver.associations(target)

    async def judge_server(self, chain: Sequence[bytes], domain: str, association: Association) -> Standing:
        """Judge a server that we have connected to."""
        standing = dane.judge(association, chain, domain, self._trust)
        if standing is Standing.UNPROVEN and self._posh is not None and await self._posh.proves(chain, domain):
            return Standing.PROVEN
        return standing

    async def judge_client(self, chain: Sequence[bytes], domain: str) -> Standing:
        """Judge a server that has connected to us and says that it is `domain`.

        Where DNSSEC has a say, and what it says is not to be had now, that counts as a refusal.
        """
        undecided = Standing.REFUSED if self._resolver.validated else Standing.UNPROVEN
        if self._judging >= AT_ONCE:
            return undecided
        self._judging += 1
        try:
            async with asyncio.timeout(JUDGE_S):
                return await self._judge_client(chain, domain)
        except (TimeoutError, LookupFailedError, NoServerError) as error:
            log.info("peer-not-judged", domain=domain, reason=str(error) or type(error).__name__)
            return undecided
        finally:
            self._judging -= 1

    async def _judge_client(self, chain: Sequence[bytes], domain: str) -> Standing:
        standing = Standing.UNPROVEN
        if self._resolver.validated:
            standing = dane.judge(await self._association_of(domain), chain, domain, self._trust)
        elif self._trust.proves(chain, domain):
            return Standing.PROVEN
        if standing is Standing.UNPROVEN and self._posh is not None and await self._may_ask_web(domain):
            return Standing.PROVEN if await self._posh.proves(chain, domain) else Standing.UNPROVEN
        return standing

    async def _association_of(self, domain: str) -> Association:
        """Collect what DNSSEC says of all places of a domain: it may call from any of them.

        If one has no records, a certificate that PKIX accepts is as good as theirs: it may call from there.
        """
        try:
            targets = await self._resolver.targets(domain)
        except NoServerError:
            return Association()
        secure = [target for target in targets if target.secure][:TARGETS]
        found = await asyncio.gather(*[self._resolver.associations(target) for target in secure])
        names = tuple(dict.fromkeys(name for each in found for name in each.names))
        records = tuple(dict.fromkeys(record for each in found for record in each.records))
        complete = len(secure) == len(targets) and all(each.records for each in found)
        return Association(records, names, pkix=not complete)

    async def _may_ask_web(self, domain: str) -> bool:
        """Tell whether a domain has said where its server is: a stream's header cannot make us ask just anybody."""
        return domain in self._routed or await self._resolver.announces(domain)
