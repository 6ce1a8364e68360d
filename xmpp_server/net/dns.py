"""Where a domain's server is: SRV records (RFC 2782, RFC 6120 §3.2, XEP-0368) and addresses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import dns.rdtypes.ANY.TLSA
import dns.rdtypes.IN.SRV
import idna

from xmpp_server.net.dane import Association, Tlsa, usable
from xmpp_server.net.lookup import Answer, Lookup, LookupFailedError

#: The port of servers that have no SRV record (RFC 6120 §14.7).
DEFAULT_PORT = 5269
#: So many targets and addresses are tried; a domain that names more is not served better.
TARGETS = 16
ADDRESSES = 8

Network: TypeAlias = IPv4Network | IPv6Network

_NOWHERE = "."
_NAT64 = IPv6Network("64:ff9b::/96")
#: Nobody's server is there: the cloud's metadata service is, or this network's broadcast.
NEVER: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")
)


class NoServerError(Exception):
    """The domain has no server: it does not exist, has no address, or says so itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place to connect to; `host` is a name in A-labels or an address."""

    host: str
    port: int
    #: Begin with TLS rather than with a stream (XEP-0368).
    direct_tls: bool
    #: Nobody but the domain itself can have named this host: DNSSEC vouches for it, or it is the domain.
    secure: bool = False


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
        validated: bool = False,
        deny: Iterable[Network] = NEVER,
        choose: random.Random | None = None,
    ) -> None:
        """Prepare.

        Args:
            nameservers: "host:port" each; () takes the system's.
            now: Monotonic seconds.
            validated: Believe what the nameservers say of DNSSEC, and look for TLSA records.
            deny: Networks that are never connected to, whatever DNS says.
            choose: What makes the choices by weight.

        """
        self.validated = validated
        self._lookup = Lookup(nameservers, validated=validated, now=now)
        self._deny = tuple(deny)
        self._random = choose or random.SystemRandom()

    async def targets(self, domain: str) -> list[Target]:
        """Return where to connect for a domain, in the order to try.

        Raises:
            NoServerError: There is none.
            LookupFailedError: Nobody knows at the moment.

        """
        if is_address(domain):
            return [Target(domain.strip("[]"), DEFAULT_PORT, False)]
        name = to_ascii(domain)
        records = await self._records(name)
        if not records:
            return [Target(name, DEFAULT_PORT, False, self.validated)]
        targets = [record.target for record in in_order(records, self._random) if record.target.host != _NOWHERE]
        if not targets:  # RFC 2782: "the service is decidedly not available"
            raise NoServerError(f"{domain} says that it has no server")
        return targets[:TARGETS]

    async def announces(self, domain: str) -> bool:
        """Tell whether a domain says itself that it has a server, and where.

        Raises:
            NoServerError: It cannot be a name in DNS.
            LookupFailedError: Nobody knows at the moment.

        """
        records = [] if is_address(domain) else await self._records(to_ascii(domain))
        return any(record.target.host != _NOWHERE for record in records)

    async def _records(self, name: str) -> list[Srv]:
        """Ask for both services; one that failed is left out if there are records of the other."""
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
        if failure is not None and not records:
            raise failure
        return records

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
        answers = await self._addresses(host)
        return self._permitted(host, [str(address) for answer in answers for address in answer.records])

    async def associations(self, target: Target) -> Association:
        """Return what DNSSEC says of a target's certificate (RFC 7673 §3), nothing if it is not asked or silent.

        Raises:
            LookupFailedError: Nobody knows at the moment, or DNSSEC refutes the answer: the target is not to be used.

        """
        if not (self.validated and target.secure) or is_address(target.host) or _is_local(target.host):
            return Association()
        found = [answer for answer in await self._addresses(target.host) if answer.records]
        if not found or not all(answer.secure for answer in found):
            return Association((), (target.host,))  # RFC 7671 §7: do not ask servers that may not know the type
        # The end of a chain of CNAMEs comes first.
        hosts = tuple(dict.fromkeys((*(answer.canonical for answer in found), target.host)))
        for host in hosts:
            answer = await self._lookup.ask(f"_{target.port}._tcp.{host}", "TLSA")
            if answer.records and answer.secure:
                return Association(usable(map(_tlsa, answer.records)), hosts)
        return Association((), hosts)

    async def _addresses(self, host: str) -> list[Answer]:
        """Ask for both families; one that failed is left out if the other is there."""
        found = await asyncio.gather(
            self._lookup.ask(host, "AAAA"), self._lookup.ask(host, "A"), return_exceptions=True
        )
        answers: list[Answer] = []
        failure: LookupFailedError | None = None
        for each in found:
            if isinstance(each, LookupFailedError):
                failure = each
            elif isinstance(each, BaseException):
                raise each
            else:
                answers.append(each)
        if failure is not None and not any(answer.records for answer in answers):
            raise failure
        return answers

    def _permitted(self, host: str, addresses: list[str]) -> list[str]:
        """Leave out what must not be connected to: DNS may say anything."""
        kept = [text for text in addresses if not self._denied(text)]
        if not kept:
            raise NoServerError(f"{host} has no address" if not addresses else f"{host} has no address that is allowed")
        return kept[:ADDRESSES]

    def _denied(self, text: str) -> bool:
        address = ip_address(text)
        return any(form in network for form in (address, *_inside(address)) for network in self._deny)

    async def _services(self, name: str, *, direct_tls: bool) -> list[Srv]:
        answer = await self._lookup.ask(name, "SRV")
        records = []
        for each in answer.records:
            assert isinstance(each, dns.rdtypes.IN.SRV.SRV)  # noqa: S101
            host = each.target.to_text(omit_final_dot=True).lower() or _NOWHERE
            if each.port or host == _NOWHERE:
                target = Target(host, each.port, direct_tls, answer.secure)
                records.append(Srv(each.priority, each.weight, target))
        return records


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


def _inside(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Return the IPv4 address that packets to an IPv6 address get to: mapped, by 6to4, by NAT64 (RFC 6052 §2.1)."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if address.sixtofour:
            yield address.sixtofour
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _tlsa(record: object) -> Tlsa:
    assert isinstance(record, dns.rdtypes.ANY.TLSA.TLSA)  # noqa: S101
    return Tlsa(record.usage, record.selector, record.mtype, record.cert)
