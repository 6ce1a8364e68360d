"""`check dns`: whether clients and other servers find us (RFC 6120 §3.2, RFC 2782, XEP-0368, RFC 7673)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dns.rdtypes.ANY.TLSA
import dns.rdtypes.IN.SRV
from cryptography.hazmat.primitives.serialization import Encoding

from xmpp_server.app.certificates import sources
from xmpp_server.app.dane_check import check_dane
from xmpp_server.app.dns_records import Names, NoAnswerError, Records
from xmpp_server.app.finding import Finding, Level, is_local
from xmpp_server.app.modules import service_domains
from xmpp_server.app.posh_check import asking, check_posh
from xmpp_server.app.settings import Config
from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair
from xmpp_server.net.dane import Association, Tlsa, judge, usable
from xmpp_server.net.dns import is_address
from xmpp_server.net.peer_trust import PeerTrust, Standing
from xmpp_server.net.self_signed import certified_name

SUBJECT = "dns"
#: Shorter makes every client ask at every connection; longer makes a move to another machine take days.
TTL_S = (60, 86_400)


@dataclass(frozen=True, slots=True)
class Service:
    """What a kind of SRV record is about."""

    label: str
    #: Who looks for it.
    seekers: str
    doors: tuple[str, ...]
    #: The name of the doors in `[listen]`, and of those for the other way to begin.
    key: str
    other: str
    #: Where it is without a record; None: nowhere.
    port: int | None

    @property
    def ports(self) -> set[int]:
        """The ports we listen on."""
        return {int(port) for port in (door.rpartition(":")[2] for door in self.doors) if port.isdigit()}


def services(config: Config) -> Sequence[Service]:
    """Return the kinds of records that a host has."""
    listen = config.listen
    s2s, s2s_tls = (listen.s2s, listen.s2s_tls) if config.s2s.enabled else ((), ())
    return (
        Service("_xmpp-client._tcp", "clients", listen.c2s, "c2s", "c2s_tls", 5222),
        Service("_xmpps-client._tcp", "clients", listen.c2s_tls, "c2s_tls", "c2s", None),
        Service("_xmpp-server._tcp", "servers", s2s, "s2s", "s2s_tls", 5269),
        Service("_xmpps-server._tcp", "servers", s2s_tls, "s2s_tls", "s2s", None),
    )


async def check_dns(config: Config) -> AsyncIterator[Finding]:
    """Compare what DNS says with what the configuration listens on."""
    async for finding in check_dane(config):
        yield finding
    domains = [domain for domain in config.domains if not is_local(domain) and not is_address(domain)]
    if not domains:
        yield Finding(SUBJECT, Level.OK, "names and addresses of this machine need no records")
        return
    names = Names(config.s2s.dns.nameservers)
    kinds = services(config)
    posh = asking(config.s2s) if config.s2s.posh else None
    for domain in domains:
        host = certified_name(domain)
        for service in kinds:
            check = _ServiceCheck(names, host, service, kinds)
            try:
                for finding in [each async for each in check.findings()]:
                    yield finding
            except NoAnswerError as error:
                text = f"{check.name} cannot be looked up: {error}"
                yield Finding(SUBJECT, Level.WARNING, text, "see whether DNS works here, and that its zone is in order")
        pair = next((pair for pair in _present(config) if pair.names.covers(host)), None)  # none: `check tls` tells
        if config.s2s.enabled:
            async for finding in _names_below(names, config, host, domain):
                yield finding
            if pair is not None:
                async for finding in _tlsa(names, config, host, pair):
                    yield finding
                if posh is not None:
                    yield await check_posh(posh, host, pair)


class _ServiceCheck:
    """One kind of record of one host."""

    def __init__(self, names: Names, host: str, service: Service, kinds: Sequence[Service]) -> None:
        self.name = f"{service.label}.{host}"
        self._names = names
        self._host = host
        self._service = service
        self._other = next(kind for kind in kinds if kind.key == service.other)

    async def findings(self) -> AsyncIterator[Finding]:
        """Look at it.

        Raises:
            NoAnswerError: DNS does not answer.

        """
        found = await self._names.ask(self.name, "SRV")
        records = [each for each in found.records if isinstance(each, dns.rdtypes.IN.SRV.SRV)]
        if not records:
            if self._service.doors:
                yield await self._missing()
            return
        named = [each for each in records if each.target.to_text() != "."]
        if not named:
            if self._service.doors:
                text = f"{self.name} says that there is no such service, but listen.{self._service.key} is open"
                yield self._error(text, f"replace it: {self._example()}")
            return
        problems = [*self._whole(records, named, found)]
        for record in named:
            problems += [each async for each in self._target(record)]
        for problem in problems:
            yield problem
        if not problems:
            texts = ", ".join(f"{_host_of(each)}:{each.port}" for each in named)
            yield Finding(SUBJECT, Level.OK, f"{self.name} names {texts}")

    async def _missing(self) -> Finding:
        """There is no record: those who look for it may try the domain itself (RFC 6120 §3.2.2)."""
        remedy = f"add {self._example()}"
        service = self._service
        if service.port is None:
            text = f"{self.name} has no SRV record: {service.seekers} do not try direct TLS"
            return Finding(SUBJECT, Level.WARNING, text, remedy)
        if not await self._names.addresses(self._host):
            text = f"{self.name} has no SRV record, and {self._host} no address: no {service.seekers} find it"
            return self._error(text, remedy)
        if service.port not in service.ports:
            text = f"{self.name} has no SRV record: {service.seekers} try port {service.port}, which is not ours"
            return self._error(text, remedy)
        text = f"{self.name} has no SRV record: {service.seekers} try port {service.port} of {self._host} itself"
        return Finding(SUBJECT, Level.WARNING, text, remedy)

    def _whole(
        self, records: Sequence[object], named: Sequence[dns.rdtypes.IN.SRV.SRV], found: Records
    ) -> Iterator[Finding]:
        """Look at what the records are together."""
        if len(named) != len(records):
            yield self._error(f"{self.name} has '.' beside other targets", "remove '.': it means that there is nothing")
        if found.is_alias:
            yield self._warning(f"{self.name} is an alias (CNAME)", "give it SRV records of its own")
        if not TTL_S[0] <= found.ttl_s <= TTL_S[1]:
            what = "every connection asks anew" if found.ttl_s < TTL_S[0] else "a change takes days to be seen"
            yield self._warning(f"{self.name} has a TTL of {found.ttl_s} s: {what}", "set it to 3600")
        places = [(_host_of(each), each.port) for each in named]
        for host, port in sorted({place for place in places if places.count(place) > 1}):
            yield self._warning(
                f"{self.name} names {host}:{port} more than once", "keep the one with the best priority"
            )
        for record in named:
            same = [each for each in named if each.priority == record.priority]
            if record.weight == 0 and any(each.weight for each in same):
                text = f"{self.name}: {_host_of(record)} has weight 0 beside others of priority {record.priority}"
                yield self._warning(
                    f"{text}: it is hardly ever chosen", "give it a weight, or a higher priority number"
                )

    async def _target(self, record: dns.rdtypes.IN.SRV.SRV) -> AsyncIterator[Finding]:
        """Look at one record."""
        host, service = _host_of(record), self._service
        place = f"{self.name} names {host}:{record.port}"
        if not service.doors:
            where = f"listen.{service.key}" if service.seekers == "clients" else f"listen.{service.key}, s2s.enabled"
            yield self._error(f"{place}, but that door is closed", f"remove the record, or open it ({where})")
        elif record.port in self._other.ports - service.ports:
            text = f"{place}, which is the door of listen.{self._other.key}: the two begin differently"
            yield self._error(text, f"name port {min(service.ports, default=0)}")
        elif record.port not in service.ports:
            ports = ", ".join(map(str, sorted(service.ports)))
            text = f"{place}, but listen.{service.key} has port {ports}"
            yield self._warning(text, "correct one of them, unless something in between translates ports")
        if is_address(host):
            yield self._error(f"{place}, an address", "name a host there, and give that host the address")
            return
        if (await self._names.ask(host, "A")).is_alias:
            yield self._warning(f"{place}, an alias (CNAME)", "name the host that it stands for (RFC 2782)")
        addresses = await self._names.addresses(host)
        if not addresses:
            yield self._error(f"{place}, but {host} has no address", f"add {host}. A or AAAA records")
        inner = [text for text in addresses if not ip_address(text).is_global]
        if inner and not is_local(self._host):
            text = f"{place}, whose address {', '.join(inner)} cannot be reached from everywhere"
            yield self._warning(text, "publish the address that others see, unless this is a network of its own")

    def _example(self) -> str:
        port = min(self._service.ports, default=0)
        return f"{self.name}. SRV 0 5 {port} {socket.getfqdn()}."

    @staticmethod
    def _error(text: str, remedy: str) -> Finding:
        return Finding(SUBJECT, Level.ERROR, text, remedy)

    @staticmethod
    def _warning(text: str, remedy: str) -> Finding:
        return Finding(SUBJECT, Level.WARNING, text, remedy)


async def _names_below(names: Names, config: Config, host: str, domain: str) -> AsyncIterator[Finding]:
    """Look whether other servers find rooms and components."""
    own = [certified_name(name) for name in service_domains(config, domain)]
    others = [certified_name(name) for component in config.components for name in component.domains]
    components = [name for name in others if name.endswith(f".{host}")]
    for name in (*own, *components):
        try:
            known = (
                (await names.ask(f"_xmpp-server._tcp.{name}", "SRV")).records
                or (await names.ask(f"_xmpps-server._tcp.{name}", "SRV")).records
                or await names.addresses(name)
            )
        except NoAnswerError as error:
            yield Finding(SUBJECT, Level.WARNING, f"{name} cannot be looked up: {error}", "see whether DNS works here")
            continue
        if known:
            yield Finding(SUBJECT, Level.OK, f"{name} is known to other servers")
            continue
        text = f"{name} has neither SRV records nor an address: users of other servers do not reach it"
        remedy = f"add {name}. CNAME {host}., or SRV records as {host} has them"
        yield Finding(SUBJECT, Level.WARNING if name in own else Level.OK, text, remedy if name in own else "")


async def _tlsa(names: Names, config: Config, host: str, pair: KeyPair) -> AsyncIterator[Finding]:
    """Look whether TLSA records, where there are any, are about the certificate that we show (RFC 7673)."""
    chain = [certificate.public_bytes(Encoding.DER) for certificate in pair.chain]
    trust = PeerTrust.load(Path(config.s2s.trust) if config.s2s.trust else None)
    for target, port in await _places(names, host):
        name = f"_{port}._tcp.{target}"
        try:
            found = await names.ask(name, "TLSA")
        except NoAnswerError as error:
            yield Finding(
                SUBJECT, Level.WARNING, f"{name} TLSA cannot be looked up: {error}", "repair the zone's DNSSEC"
            )
            continue
        records = _records(found.records)
        if not records:
            continue
        association = Association(usable(records), (target,))
        if judge(association, chain, host, trust) is Standing.PROVEN:
            yield Finding(SUBJECT, Level.OK, f"{name} has a TLSA record for {pair.source}")
        else:
            text = f"{name} has TLSA records, and none is for {pair.source}: servers with DANE refuse it"
            yield Finding(SUBJECT, Level.ERROR, text, "publish a record for the certificate before it is put in force")


def _present(config: Config) -> Iterator[KeyPair]:
    for source in sources(config):
        with contextlib.suppress(CertificateError):
            yield load_key_pair(source.certificate, source.key)


async def _places(names: Names, host: str) -> list[tuple[str, int]]:
    places = []
    for label in ("_xmpps-server._tcp", "_xmpp-server._tcp"):
        try:
            found = (await names.ask(f"{label}.{host}", "SRV")).records
        except NoAnswerError:
            continue  # has been told
        places += [(_host_of(each), each.port) for each in found if isinstance(each, dns.rdtypes.IN.SRV.SRV)]
    return [place for place in dict.fromkeys(places) if place[0]]


def _records(found: Iterable[object]) -> Collection[Tlsa]:
    return [
        Tlsa(each.usage, each.selector, each.mtype, each.cert)
        for each in found
        if isinstance(each, dns.rdtypes.ANY.TLSA.TLSA)
    ]


def _host_of(record: dns.rdtypes.IN.SRV.SRV) -> str:
    return str(record.target.to_text(omit_final_dot=True)).lower()
