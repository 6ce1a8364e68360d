"""The certificates in force: read at the start and at a reload, all or nothing, and shared by all doors."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from xmpp_server.app.acme.plan import ensure_placeholder, order_for, orders
from xmpp_server.app.bundled import self_signed_folder
from xmpp_server.app.settings import Config
from xmpp_server.net.certificates import CertificateError, CertificateNames, KeyPair, load_key_pair
from xmpp_server.net.self_signed import FILE_NAME, certified_name, ensure_self_signed
from xmpp_server.net.tls import TlsServer

log = structlog.get_logger()


class Certificates:
    """What the doors of one server show."""

    def __init__(self, config: Config) -> None:
        """Read them.

        Raises:
            CertificateError: One cannot be used.

        """
        #: The default one first.
        self.pairs: Sequence[KeyPair] = key_pairs(config)
        self._doors: list[TlsServer] = []

    def door(self, alpn: Sequence[str], *, request_certificate: bool = False) -> TlsServer:
        """Make the TLS side of a door, which takes part in reloads."""
        door = TlsServer(lambda: self.pairs, alpn=alpn, request_client_certificate=request_certificate)
        self._doors.append(door)
        return door

    def reload(self, config: Config) -> None:
        """Read them again, for connections to come.

        Raises:
            CertificateError: One cannot be used; the old ones stay in force at every door.

        """
        old, self.pairs = self.pairs, key_pairs(config)
        try:
            for door in self._doors:
                door.reload()
        except CertificateError:
            self.pairs = old
            for door in self._doors:
                door.reload()
            raise
        log.info("certificates-reloaded", files=sorted({pair.source for pair in self.pairs}))


@dataclass(frozen=True, slots=True)
class Source:
    """The files of one certificate; they may be the same one."""

    certificate: Path
    key: Path
    #: The only domain that it is for; "" is for all that it names.
    domain: str = ""
    #: The server makes the files where they are missing.
    made: bool = False


def key_pairs(config: Config) -> list[KeyPair]:
    """Read what the configuration names, the default one first; where it names none, make one.

    Raises:
        CertificateError: One cannot be used.

    """
    tls = config.tls
    own = [load_key_pair(Path(one.certificate), Path(one.key)) for one in tls.domains.values()]
    if tls.certificate:
        return [load_key_pair(Path(tls.certificate), Path(tls.key) if tls.key else None), *own]
    issued = [load_key_pair(ensure_placeholder(order)) for order in orders(config)]
    pairs = [*own, *issued]
    made = ensure_self_signed(self_signed_folder(config.data_path), config.domains)  # components may use it, too
    bare = [name for name in config.domains if not _is_covered(name, pairs)]
    if bare:
        pairs.append(_only_for(made, bare))
    first = certified_name(config.domains[0])
    default = next((pair for pair in pairs if pair.names.covers(first)), pairs[0])
    return [default, *(pair for pair in pairs if pair is not default)]


def sources(config: Config) -> list[Source]:
    """Return the files, whether they are there or not: for a domain the first counts whose certificate names it."""
    tls = config.tls
    own = [Source(Path(one.certificate), Path(one.key), name) for name, one in tls.domains.items()]
    if tls.certificate:
        return [*own, Source(Path(tls.certificate), Path(tls.key or tls.certificate))]
    issued = [Source(order.path, order.path, made=True) for order in orders(config)]
    made = self_signed_folder(config.data_path) / FILE_NAME
    return [*own, *issued, Source(made, made, made=True)]


def files_for(config: Config, component: str) -> tuple[str, str]:
    """Return the files of the certificate, and of its key, that a component uses: of the domain above its own."""
    tls = config.tls
    own = tls.domains.get(component.partition(".")[2])
    if own is not None:
        return own.certificate, own.key
    if tls.certificate:
        return tls.certificate, tls.key
    issued = order_for(config, component)
    made = self_signed_folder(config.data_path) / FILE_NAME if issued is None else issued.path
    return str(made), str(made)  # both in one file


def _is_covered(domain: str, pairs: Collection[KeyPair]) -> bool:
    return any(pair.names.covers(certified_name(domain)) for pair in pairs)


def _only_for(pair: KeyPair, domains: Collection[str]) -> KeyPair:
    """Keep a self-signed certificate from being shown for domains that have a better one."""
    names = [certified_name(domain) for domain in domains]
    known = frozenset(pair.names.hosts)
    kept = tuple(name for domain in names for name in (domain, f"*.{domain}") if name in known)
    return dataclasses.replace(pair, names=CertificateNames(dns=kept))
