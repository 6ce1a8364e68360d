"""Questions to nameservers: bounded, within a time limit, remembered, and whether DNSSEC vouches for the answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.nameserver
import dns.rdata
import dns.resolver

from xmpp_server.net.addresses import parse_address

#: How long one name is looked up, all tries and nameservers together.
LOOKUP_S = 8.0
#: Bounds of how long an answer is kept, whatever its time to live.
KEEP_S = (5.0, 3600.0)
#: How long "there is no such record" is kept.
KEEP_NOTHING_S = 60.0
#: Of one name so many records are looked at: an answer may have thousands, and a hostile domain any number of names.
RECORDS = 16
CACHED_NAMES = 5_000
LOOKUPS_AT_ONCE = 200
#: What fits into a datagram on every path; longer answers come over TCP.
_DATAGRAM_BYTES = 1232


class LookupFailedError(Exception):
    """DNS gave no answer in time, or none that makes sense (that DNSSEC refutes); it may later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of a name, none if there are none."""

    records: tuple[dns.rdata.Rdata, ...] = ()
    #: The nameserver has validated it with DNSSEC (RFC 4035 §3.2.3), and is believed to.
    secure: bool = False
    #: Where a chain of CNAMEs has ended, in A-labels; the name itself without one.
    canonical: str = ""


class Lookup:
    """Asks the nameservers, remembers the answers."""

    def __init__(self, nameservers: Sequence[str], *, validated: bool, now: Callable[[], float]) -> None:
        """Prepare.

        Args:
            nameservers: "host:port" each; () takes the system's.
            validated: The nameservers validate, and the way to them is safe: what they say of DNSSEC is believed.
            now: Monotonic seconds.

        """
        self._nameservers = tuple(nameservers)
        self._validated = validated
        self._now = now
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._cache: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()
        self._running = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def ask(self, name: str, kind: str) -> Answer:
        """Return the records of a name (in A-labels), from the cache if they are there.

        Raises:
            LookupFailedError: No nameserver has answered properly.

        """
        key = (name, kind)
        now = self._now()
        kept = self._cache.get(key)
        if kept is not None and kept[0] > now:
            self._cache.move_to_end(key)
            return kept[1]
        async with self._running:
            ttl_s, answer = await self._look_up(name, kind)
        self._cache[key] = (now + ttl_s, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > CACHED_NAMES:
            self._cache.popitem(last=False)
        return answer

    async def _look_up(self, name: str, kind: str) -> tuple[float, Answer]:
        try:
            answer = await self._system().resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return KEEP_NOTHING_S, Answer()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise LookupFailedError(f"{kind} {name}: {str(error) or type(error).__name__}") from None
        if answer.rrset is None:
            return KEEP_NOTHING_S, Answer()
        ttl_s = min(max(float(answer.rrset.ttl), KEEP_S[0]), KEEP_S[1])
        secure = self._validated and bool(answer.response.flags & dns.flags.AD)
        canonical = answer.canonical_name.to_text(omit_final_dot=True).lower()
        return ttl_s, Answer(tuple(islice(answer.rrset, RECORDS)), secure, canonical)

    def _system(self) -> dns.asyncresolver.Resolver:
        """Return dnspython's resolver; it reads /etc/resolv.conf, so it is made when it is needed."""
        if self._resolver is None:
            try:
                resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            except dns.resolver.NoResolverConfiguration:
                raise LookupFailedError("no nameserver is configured") from None
            if self._nameservers:
                resolver.nameservers = [nameserver(text) for text in self._nameservers]
            if self._validated:  # RFC 6840 §5.7: the AD bit of a question asks for that of the answer
                resolver.flags = dns.flags.RD | dns.flags.AD
                resolver.use_edns(0, 0, _DATAGRAM_BYTES)
            resolver.lifetime = LOOKUP_S
            resolver.timeout = LOOKUP_S / 3
            self._resolver = resolver
        return self._resolver


def nameserver(text: str) -> dns.nameserver.Do53Nameserver:
    """Return what dnspython asks at "host:port", which the configuration has checked."""
    address = parse_address(text)
    assert isinstance(address, tuple)  # noqa: S101 - the configuration is checked
    return dns.nameserver.Do53Nameserver(address[0], address[1])
