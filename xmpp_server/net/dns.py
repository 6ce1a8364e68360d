"""Where a domain's server is: SRV records (RFC 2782, RFC 6120 §3.2, XEP-0368) and addresses."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rcode
import dns.rdtypes.IN.SRV
import dns.resolver
import idna

from xmpp_server.net.addresses import parse_address

#: The port of servers that have no SRV record (RFC 6120 §14.7).
DEFAULT_PORT = 5269
#: How long one name is looked up, all tries and nameservers together.
LOOKUP_S = 8.0
#: Bounds of how long an answer is kept, whatever its time to live.
KEEP_S = (5.0, 3600.0)
#: How long "there is no such record" is kept.
KEEP_NOTHING_S = 60.0
CACHED_NAMES = 10_000
#: So many targets and addresses are tried; a domain that names more is not served better.
TARGETS = 16
ADDRESSES = 8
LOOKUPS_AT_ONCE = 200

Network: TypeAlias = IPv4Network | IPv6Network

_NOWHERE = "."
#: Nobody's server is there: the cloud's metadata service is, or this network's broadcast.
NEVER: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
)


class NoServerError(Exception):
    """The domain has no server: it does not exist, has no address, or says so itself."""


class LookupFailedError(Exception):
    """DNS gave no answer in time, or none that makes sense; it may later."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place to connect to; `host` is a name in A-labels or an address."""

    host: str
    port: int
    #: Begin with TLS rather than with a stream (XEP-0368).
    direct_tls: bool


@dataclass(frozen=True, slots=True)
class Srv:
    """One SRV record."""

    priority: int
    weight: int
    target: Target


class Resolver:
    """Asks the nameservers, remembers the answers."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        now: Callable[[], float],
        deny: Iterable[Network] = NEVER,
        choose: random.Random | None = None,
    ) -> None:
        """Prepare.

        Args:
            nameservers: "host:port" each; () takes the system's.
            now: Monotonic seconds.
            deny: Networks that are never connected to, whatever DNS says.
            choose: What makes the choices by weight.

        """
        self._nameservers = tuple(nameservers)
        self._now = now
        self._deny = tuple(deny)
        self._random = choose or random.SystemRandom()
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._cache: OrderedDict[tuple[str, str], tuple[float, tuple[object, ...]]] = OrderedDict()
        self._running = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def targets(self, domain: str) -> list[Target]:
        """Return where to connect for a domain, in the order to try.

        Raises:
            NoServerError: There is none.
            LookupFailedError: Nobody knows at the moment.

        """
        if is_address(domain):
            return [Target(domain.strip("[]"), DEFAULT_PORT, False)]
        name = to_ascii(domain)
        found = await asyncio.gather(
            self._services(f"_xmpps-server._tcp.{name}", direct_tls=True),
            self._services(f"_xmpp-server._tcp.{name}", direct_tls=False),
            return_exceptions=True,
        )
        records: list[Srv] = []
        failure: LookupFailedError | None = None
        for each in found:
            if isinstance(each, LookupFailedError):
                failure = each
            elif isinstance(each, BaseException):
                raise each
            else:
                records += each
        if not records:
            if failure is not None:
                raise failure
            return [Target(name, DEFAULT_PORT, False)]
        targets = [record.target for record in in_order(records, self._random) if record.target.host != _NOWHERE]
        if not targets:  # RFC 2782: "the service is decidedly not available"
            raise NoServerError(f"{domain} says that it has no server")
        return targets[:TARGETS]

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses of a host, IPv6 first.

        Raises:
            NoServerError: There is none, or none that we may connect to.
            LookupFailedError: Nobody knows at the moment.

        """
        if is_address(host):
            return self._permitted(host, [host.strip("[]")])
        if _is_local(host):  # RFC 6761 §6.3
            return self._permitted(host, ["::1", "127.0.0.1"])
        found = await asyncio.gather(self._ask(host, "AAAA"), self._ask(host, "A"), return_exceptions=True)
        addresses: list[str] = []
        failure: LookupFailedError | None = None
        for each in found:
            if isinstance(each, LookupFailedError):
                failure = each
            elif isinstance(each, BaseException):
                raise each
            else:
                addresses += [str(address) for address in each]
        if not addresses and failure is not None:
            raise failure
        return self._permitted(host, addresses)

    def _permitted(self, host: str, addresses: list[str]) -> list[str]:
        """Leave out what must not be connected to: DNS may say anything."""
        kept = [text for text in addresses if not self._denied(text)]
        if not kept:
            raise NoServerError(f"{host} has no address" if not addresses else f"{host} has no address that is allowed")
        return kept[:ADDRESSES]

    def _denied(self, text: str) -> bool:
        address = ip_address(text)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._deny)

    async def _services(self, name: str, *, direct_tls: bool) -> list[Srv]:
        records = []
        for each in await self._ask(name, "SRV"):
            assert isinstance(each, dns.rdtypes.IN.SRV.SRV)  # noqa: S101
            host = each.target.to_text(omit_final_dot=True).lower() or _NOWHERE
            if each.port or host == _NOWHERE:
                records.append(Srv(each.priority, each.weight, Target(host, each.port, direct_tls)))
        return records

    async def _ask(self, name: str, kind: str) -> tuple[object, ...]:
        """Return the records of a name, from the cache if they are there; () is none.

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
            ttl_s, records = await self._look_up(name, kind)
        self._cache[key] = (now + ttl_s, records)
        self._cache.move_to_end(key)
        while len(self._cache) > CACHED_NAMES:
            self._cache.popitem(last=False)
        return records

    async def _look_up(self, name: str, kind: str) -> tuple[float, tuple[object, ...]]:
        try:
            answer = await self._system().resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return KEEP_NOTHING_S, ()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise LookupFailedError(f"{kind} {name}: {_reason(error)}") from None
        if answer.rrset is None:
            return KEEP_NOTHING_S, ()
        return min(max(float(answer.rrset.ttl), KEEP_S[0]), KEEP_S[1]), tuple(answer.rrset)

    def _system(self) -> dns.asyncresolver.Resolver:
        """Return dnspython's resolver; it reads /etc/resolv.conf, so it is made when it is needed."""
        if self._resolver is None:
            try:
                resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            except dns.resolver.NoResolverConfiguration:
                raise LookupFailedError("no nameserver is configured") from None
            if self._nameservers:
                resolver.nameservers = [_nameserver(text) for text in self._nameservers]
            resolver.lifetime = LOOKUP_S
            resolver.timeout = LOOKUP_S / 3
            self._resolver = resolver
        return self._resolver


def in_order(records: Iterable[Srv], choose: random.Random) -> list[Srv]:
    """Order SRV records by priority, then at random by weight (RFC 2782); both services are one set (XEP-0368 §3)."""
    ordered: list[Srv] = []
    groups: dict[int, list[Srv]] = {}
    for record in records:
        groups.setdefault(record.priority, []).append(record)
    for priority in sorted(groups):
        left = sorted(groups[priority], key=lambda record: record.weight)  # those of weight 0 first
        while left:
            threshold = choose.randint(0, sum(record.weight for record in left))
            for index, record in enumerate(left):  # noqa: B007 - used below
                threshold -= record.weight
                if threshold <= 0:
                    break
            ordered.append(left.pop(index))
    return ordered


def to_ascii(domain: str) -> str:
    """Return a domain in A-labels.

    Raises:
        NoServerError: It cannot be a name in DNS.

    """
    try:
        name = domain if domain.isascii() else idna.encode(domain).decode("ascii")
    except idna.IDNAError as error:
        raise NoServerError(f"{domain}: {error}") from None
    if len(name) > 253 or any(not 0 < len(label) < 64 for label in name.split(".")):
        raise NoServerError(f"{domain} cannot be a name in DNS")
    return name


def is_address(host: str) -> bool:
    """Tell whether a domain is an IP address; IPv6 may stand in brackets."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _nameserver(text: str) -> dns.nameserver.Do53Nameserver:
    address = parse_address(text)
    assert isinstance(address, tuple)  # noqa: S101 - the configuration is checked
    return dns.nameserver.Do53Nameserver(address[0], address[1])


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
