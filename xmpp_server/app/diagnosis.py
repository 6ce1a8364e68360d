"""Looks for what is wrong with an installation: configuration, certificates, DNS, storage, TURN servers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import idna

from xmpp_server.app.settings import Config
from xmpp_server.app.turn_check import TurnError, check_service, unchecked
from xmpp_server.jid import JID
from xmpp_server.modules.external_services import ExternalService, ExternalServices, ExternalServicesConfig
from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair
from xmpp_server.storage.api import StorageError
from xmpp_server.storage.sql.status import schema_status

WARN_DAYS = 14
DNS_TIMEOUT_S = 5.0


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was looked at, how it is, and what to do."""

    subject: str
    level: Level
    text: str
    remedy: str = ""


Check = Callable[[Config], AsyncIterator[Finding]]


async def diagnose(config: Config, subjects: Collection[str]) -> list[Finding]:
    """Run the checks of some subjects ("config", "tls", "dns", "storage", "turn")."""
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        if name in subjects:
            findings += [finding async for finding in check(config)]
    return findings


def is_local(domain: str) -> bool:
    """Tell whether a domain is of this machine only (RFC 6761 §6.3)."""
    return domain == "localhost" or domain.endswith(".localhost")


def is_loopback(door: str) -> bool:
    """Tell whether a door can be reached from this machine only."""
    return door.startswith(("127.", "[::1]:", "localhost:", "unix:"))


async def _config(config: Config) -> AsyncIterator[Finding]:
    """The file itself has been read by now: what remains is what it leads to."""
    subject = "config"
    yield Finding(subject, Level.OK, f"serves {', '.join(config.domains)}")
    doors = config.listen.c2s + config.listen.c2s_tls
    if not doors:
        yield Finding(subject, Level.ERROR, "no client can connect", "give listen.c2s or listen.c2s_tls an address")
    elif not all(map(is_local, config.domains)) and all(map(is_loopback, doors)):
        yield Finding(
            subject,
            Level.WARNING,
            "only clients on this machine can connect",
            'set listen.c2s = ["0.0.0.0:5222", "[::]:5222"], and listen.c2s_tls likewise',
        )
    if not config.tls.require and not all(map(is_loopback, config.listen.c2s)):
        yield Finding(
            subject,
            Level.WARNING,
            "passwords may travel in clear",
            "set tls.require = true, or listen on loopback only",
        )
    foreign = [name for name in config.admins if name.partition("@")[2] not in config.domains]
    if foreign:
        yield Finding(subject, Level.WARNING, f"admins from elsewhere: {', '.join(foreign)}", "remove them from admins")


async def _tls(config: Config) -> AsyncIterator[Finding]:
    if not config.tls.certificate:
        level = Level.OK if all(map(is_local, config.domains)) else Level.WARNING
        remedy = "" if level is Level.OK else "set tls.certificate and tls.key to a certificate of a public CA"
        yield Finding("tls", level, "a self-signed certificate is made by the server", remedy)
    pairs: dict[str, tuple[Path, Path | None]] = {
        domain: (Path(one.certificate), Path(one.key)) for domain, one in config.tls.domains.items()
    }
    if config.tls.certificate:
        for domain in config.domains:
            pairs.setdefault(domain, (Path(config.tls.certificate), Path(config.tls.key)))
    for domain, (certificate, key) in pairs.items():
        try:
            yield _certificate(domain, certificate, load_key_pair(certificate, key))
        except CertificateError as error:
            yield Finding(
                "tls", Level.ERROR, f"{domain}: {error}", "name a PEM certificate with its chain, and its key"
            )


def _certificate(domain: str, path: Path, pair: KeyPair) -> Finding:
    days = pair.days_left()
    if not pair.names.covers(idna.encode(domain).decode()):
        return Finding("tls", Level.ERROR, f"{path} is not for {domain}", "have one issued whose names include it")
    if days < 0:
        return Finding("tls", Level.ERROR, f"{path} expired {-days:.0f} days ago", "renew it, then send SIGHUP")
    if days < WARN_DAYS:
        return Finding("tls", Level.WARNING, f"{path} expires in {days:.0f} days", "renew it, then send SIGHUP")
    return Finding("tls", Level.OK, f"{domain}: {path} is valid for {days:.0f} days")


async def _dns(config: Config) -> AsyncIterator[Finding]:
    """RFC 6120 §3.2.1, XEP-0368: clients and servers find us by SRV records."""
    domains = [domain for domain in config.domains if not is_local(domain)]
    if not domains:
        yield Finding("dns", Level.OK, "localhost needs no records")
        return
    resolver = dns.asyncresolver.Resolver(configure=not config.s2s.dns.nameservers)
    resolver.lifetime = DNS_TIMEOUT_S
    if config.s2s.dns.nameservers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
            for host, _, port in (text.rpartition(":") for text in config.s2s.dns.nameservers)
        ]
    services: Mapping[str, Sequence[str]] = {
        "_xmpp-client._tcp": config.listen.c2s,
        "_xmpps-client._tcp": config.listen.c2s_tls,
        "_xmpp-server._tcp": config.listen.s2s if config.s2s.enabled else (),
        "_xmpps-server._tcp": config.listen.s2s_tls if config.s2s.enabled else (),
    }
    for domain in domains:
        for service, doors in services.items():
            if doors:
                yield await _record(resolver, f"{service}.{domain}", {door.rpartition(":")[2] for door in doors})


async def _record(resolver: dns.asyncresolver.Resolver, name: str, ports: Collection[str]) -> Finding:
    try:
        answer = await resolver.resolve(name, "SRV", raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        answer = None
    except dns.exception.DNSException as error:
        return Finding("dns", Level.WARNING, f"{name} cannot be looked up: {error}", "see whether DNS works here")
    found = [] if answer is None else [f"{record.target}:{record.port}" for record in answer]
    if not found:
        remedy = f"add {name}. SRV 0 5 {min(ports)} {socket.getfqdn()}."
        return Finding("dns", Level.WARNING, f"{name} has no SRV record", remedy)
    if not {text.rpartition(":")[2] for text in found} & set(ports):
        return Finding("dns", Level.WARNING, f"{name} names {', '.join(found)}", f"none has port {', '.join(ports)}")
    return Finding("dns", Level.OK, f"{name} names {', '.join(found)}")


async def _storage(config: Config) -> AsyncIterator[Finding]:
    try:
        found = await schema_status(config.storage_url)
    except StorageError as error:
        yield Finding("storage", Level.ERROR, str(error), "see storage.url, and whether the database is up")
        return
    except ValueError:
        yield Finding("storage", Level.WARNING, "nothing outlives the server", "set storage.url, unless this is a test")
        return
    texts = {
        "current": f"schema {found.revision} is up to date",
        "empty": "the tables are made at the first start",
        "older": f"schema {found.revision} is upgraded to {found.head} at the next start",
    }
    if found.verdict in texts:
        yield Finding("storage", Level.OK, texts[found.verdict])
    else:
        text = f"schema {found.revision} is newer than {found.head}, the newest that this version knows"
        yield Finding("storage", Level.ERROR, text, "install the newer version, or restore an older backup")


async def _turn(config: Config) -> AsyncIterator[Finding]:
    """XEP-0215: each service is used as a user's client does it."""
    services = _services(config)
    if not services:
        yield Finding("turn", Level.OK, "no services are configured")
    for service in services:
        reason = unchecked(service)
        if reason:
            yield Finding("turn", Level.OK, f"{service.type} {service.host}: not tried: {reason}")
            continue
        name = f"{service.type} {service.host}:{service.real_port}/{service.real_transport}"
        try:
            text = await check_service(service, JID.parse(f"check@{config.domains[0]}"), datetime.now(UTC))
        except TurnError as problem:
            yield Finding("turn", Level.ERROR, f"{name}: {problem}", problem.remedy)
        else:
            yield Finding("turn", Level.OK, f"{name}: {text}")


def _services(config: Config) -> tuple[ExternalService, ...]:
    settings = config.modules.get(ExternalServices.name)
    if settings is None or settings.enabled is False or not isinstance(settings.config, ExternalServicesConfig):
        return ()
    return settings.config.services


CHECKS: Mapping[str, Check] = {"config": _config, "tls": _tls, "dns": _dns, "storage": _storage, "turn": _turn}
