"""Which certificates are to be had: names put together, the files they are kept in (RFC 8555)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import structlog

from xmpp_server.app.modules import service_domains
from xmpp_server.app.settings import Config
from xmpp_server.net.certificates import CertificateError, load_key_pair
from xmpp_server.net.self_signed import certified_name, make_self_signed, write_private

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate: names in A-labels, and the file it is kept in with its key.

    `wanted` are also names, but only as far as DNS knows them: few operators have a record for each component.
    """

    names: tuple[str, ...]
    wanted: tuple[str, ...]
    path: Path


def folder_of(config: Config) -> Path:
    """Return where accounts, keys and certificates are kept; only the server's user can look inside."""
    return config.data_path / "acme"


def orders(config: Config) -> list[Order]:
    """Return one order for each domain that is to have a certificate of this kind, with the services below it."""
    if not config.tls.acme.enabled:
        return []
    chosen = config.tls.acme.domains
    own = {certified_name(name) for name in config.tls.domains}
    hosts = [certified_name(name) for name in config.domains]
    groups: dict[str, list[str]] = {}
    for domain in chosen or (*config.domains, *_services(config)):
        name = certified_name(domain)
        above = _host_of(name, hosts)
        if above in own or name in own or (not chosen and not (is_public(above) and is_public(name))):
            continue
        groups.setdefault(above, []).append(name)
    return [_order(config, name, tuple(dict.fromkeys(group))) for name, group in groups.items()]


def order_for(config: Config, domain: str) -> Order | None:
    """Return the order whose certificate is to name a domain."""
    name = certified_name(domain)
    return next((order for order in orders(config) if name in (*order.names, *order.wanted)), None)


def _order(config: Config, name: str, group: tuple[str, ...]) -> Order:
    path = folder_of(config) / f"{name}.pem"
    if config.tls.acme.domains:
        return Order(group, (), path)
    return Order((name,), tuple(one for one in group if one != name), path)


def _services(config: Config) -> Iterator[str]:
    """Yield what other servers and clients reach beside the hosts."""
    for domain in config.domains:
        yield from service_domains(config, domain)
    for component in config.components:
        yield from component.domains


def _host_of(name: str, hosts: Sequence[str]) -> str:
    """Return the host that a name belongs to; one that belongs to none stands for itself."""
    above = [host for host in hosts if name == host or name.endswith(f".{host}")]
    return max(above, key=len, default=name)


def is_public(name: str) -> bool:
    """Tell whether a CA may issue for a name: it is no address, and not of this machine or network only."""
    try:
        ip_address(name)
    except ValueError:
        return "." in name and name.rpartition(".")[2] not in ("localhost", "local", "internal", "lan")
    return False


def ensure_placeholder(order: Order) -> Path:
    """Return the file of an order; a self-signed certificate stands in it until the CA has issued one.

    A file that cannot be used, as after a power loss, is put aside: the CA will issue another one.

    Raises:
        CertificateError: It cannot be written.

    """
    try:
        if order.path.exists() and _is_broken(order.path):
            os.replace(order.path, order.path.with_suffix(".broken"))
        if not order.path.exists():
            order.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(order.path, make_self_signed((*order.names, *order.wanted), datetime.now(UTC)))
    except OSError as error:
        raise CertificateError(f"{order.path}: {error.strerror}") from None
    return order.path


def _is_broken(path: Path) -> bool:
    try:
        load_key_pair(path)
    except CertificateError as error:
        log.error("certificate-put-aside", reason=str(error))
        return True
    return False
