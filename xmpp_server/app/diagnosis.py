"""Looks for what is wrong with an installation: configuration, certificates, DNS, storage, TURN servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import UTC, datetime

from xmpp_server.app.dns_check import check_dns
from xmpp_server.app.finding import Finding, Level, is_local, is_loopback
from xmpp_server.app.settings import Config
from xmpp_server.app.tls_check import check_tls
from xmpp_server.app.turn_check import TurnError, check_service, unchecked
from xmpp_server.jid import JID
from xmpp_server.modules.external_services import ExternalService, ExternalServices, ExternalServicesConfig
from xmpp_server.storage.api import StorageError
from xmpp_server.storage.sql.status import schema_status

Check = Callable[[Config], AsyncIterator[Finding]]


async def diagnose(config: Config, subjects: Collection[str]) -> list[Finding]:
    """Run the checks of some subjects ("config", "tls", "dns", "storage", "turn")."""
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        if name in subjects:
            findings += [finding async for finding in check(config)]
    return findings


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
    links = config.listen.s2s + config.listen.s2s_tls
    if config.s2s.enabled and links and not all(map(is_local, config.domains)) and all(map(is_loopback, links)):
        yield Finding(
            subject,
            Level.WARNING,
            "only servers on this machine can connect",
            'set listen.s2s = ["0.0.0.0:5269", "[::]:5269"], and listen.s2s_tls likewise; or s2s.enabled = false',
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


CHECKS: Mapping[str, Check] = {
    "config": _config,
    "tls": check_tls,
    "dns": check_dns,
    "storage": _storage,
    "turn": _turn,
}
