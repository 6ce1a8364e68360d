"""`check tls`: certificates and keys (RFC 5280, 6125), what a CA was asked for, and what the doors really show."""

from __future__ import annotations

import stat
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from xmpp_server.app.acme.memory import Memory
from xmpp_server.app.acme.plan import folder_of, orders
from xmpp_server.app.acme.renewal import is_installed
from xmpp_server.app.certificates import Source, sources
from xmpp_server.app.door_check import check_doors
from xmpp_server.app.finding import Finding, Level, is_local
from xmpp_server.app.modules import service_domains
from xmpp_server.app.settings import Config
from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair
from xmpp_server.net.peer_trust import PeerTrust
from xmpp_server.net.self_signed import certified_name

SUBJECT = "tls"
WARN_DAYS = 14
RSA_BITS = 2048
RENEW = "renew it, then `xmpp-server reload`"
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


async def check_tls(config: Config) -> AsyncIterator[Finding]:
    """Look at all certificates of the configuration, then at the doors of the running server."""
    loaded: list[KeyPair] = []
    trust = PeerTrust.load(Path(config.s2s.trust) if config.s2s.trust else None)
    for source in sources(config):
        if source.made and not source.certificate.exists():
            continue  # the server makes it when it starts
        try:
            pair = load_key_pair(source.certificate, source.key)
        except CertificateError as error:
            yield _error(str(error), "name a PEM certificate with its chain, and its key")
            continue
        if pair.is_self_signed and source.made and all(_covered(name, loaded) for name in config.domains):
            continue  # nobody gets to see it
        loaded.append(pair)
        for finding in _of_file(pair, source, config, trust):
            yield finding
    for finding in _domains(config, loaded):
        yield finding
    for finding in _acme(config):
        yield finding
    async for finding in check_doors(config, loaded):
        yield finding


def _covered(domain: str, pairs: Sequence[KeyPair]) -> bool:
    return any(pair.names.covers(certified_name(domain)) for pair in pairs)


def _of_file(pair: KeyPair, source: Source, config: Config, trust: PeerTrust) -> Iterator[Finding]:
    """Look at one certificate; say that it is good if nothing is wrong with it."""
    problems = [*_dates(pair), *_key(pair), *_usage(pair), *_modes(source)]
    if source.domain and not pair.names.covers(certified_name(source.domain)):
        problems.append(_error(f"{pair.source} is not for {source.domain}", "have one issued whose names include it"))
    if not pair.is_self_signed:
        problems += _chain(pair, trust)
    elif not all(is_local(name) for name in config.domains):
        text = f"{pair.source} is self-signed: clients warn of it, other servers do not believe it"
        problems.append(_warning(text, "set tls.certificate and tls.key, or let a CA issue one: [tls.acme]"))
    yield from problems
    if not any(problem.level is Level.ERROR for problem in problems):
        names = ", ".join(pair.names.hosts)
        yield Finding(SUBJECT, Level.OK, f"{pair.source} is valid for {pair.days_left():.0f} days, for {names}")


def _dates(pair: KeyPair) -> Iterator[Finding]:
    now = datetime.now(UTC)
    leaf, days = pair.chain[0], pair.days_left()
    lifetime = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() / 86_400
    if leaf.not_valid_before_utc > now:
        yield _error(f"{pair.source} begins on {leaf.not_valid_before_utc:%Y-%m-%d}", "see whether the clock is right")
    elif days < 0:
        yield _error(f"{pair.source} expired {-days:.0f} days ago", RENEW)
    elif days < min(WARN_DAYS, lifetime / 4):
        yield _warning(f"{pair.source} expires in {days:.0f} days", RENEW)
    for issuer in pair.chain[1:]:
        if issuer.not_valid_after_utc < now:
            yield _error(
                f"{pair.source}: its CA certificate {_name(issuer)} has expired", "take the CA's present chain"
            )


def _key(pair: KeyPair) -> Iterator[Finding]:
    key = pair.key
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < RSA_BITS:
            yield _error(f"{pair.source} has an RSA key of {key.key_size} bits", f"make one of {RSA_BITS} at least")
    elif not isinstance(key, ec.EllipticCurvePrivateKey):
        yield _warning(f"{pair.source} has a key that many clients do not know", "take an EC key (P-256) or RSA")
    elif not isinstance(key.curve, _CURVES):
        yield _warning(f"{pair.source} has a key on {key.curve.name}, which many clients do not know", "take P-256")
    try:
        algorithm = pair.chain[0].signature_hash_algorithm
    except UnsupportedAlgorithm:
        return
    if isinstance(algorithm, hashes.SHA1 | hashes.MD5):
        yield _error(f"{pair.source} is signed with {algorithm.name.upper()}, which nobody believes", RENEW)


def _usage(pair: KeyPair) -> Iterator[Finding]:
    try:
        usages = pair.chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages):
        yield _error(f"{pair.source} is not for servers (its extended key usage)", "have one issued for TLS servers")


def _modes(source: Source) -> Iterator[Finding]:
    """Look who can read the key: it is all that there is to being us."""
    mode = stat.S_IMODE(source.key.stat().st_mode)
    if mode & 0o007:
        yield _error(f"{source.key} can be read by everybody on this machine", f"chmod 640 {source.key}")
    elif mode & 0o020:
        yield _warning(f"{source.key} can be written by its group", f"chmod 640 {source.key}")


def _chain(pair: KeyPair, trust: PeerTrust) -> Iterator[Finding]:
    """Look whether the chain stands in its order (RFC 5246 §7.4.2), and leads to a CA."""
    source = pair.source
    for certificate, issuer in zip(pair.chain, pair.chain[1:], strict=False):
        if not _signs(issuer, certificate):
            text = f"{source}: {_name(issuer)} stands behind {_name(certificate)}, but has not issued it"
            yield _error(text, "put the certificate first, then its issuer, then the issuer's; nothing else")
            return
    last = pair.chain[-1]
    name = next(iter(pair.names.hosts), "")
    path = trust.path(pair.chain, name.replace("*.", "any.")) if name else ()
    if path:
        if len(pair.chain) > 1 and last.issuer == last.subject:
            yield _warning(f"{source}: the CA's root stands in the chain", "leave it out: every connection sends it")
    elif pair.days_left() > 0:
        if len(pair.chain) == 1 and pair.chain[0].issuer != pair.chain[0].subject:
            text = f"{source} comes without the certificate of its issuer, {_text(pair.chain[0].issuer)}"
            yield _error(
                text, "append it (certbot's fullchain.pem has it); if the CA is your own, name it in s2s.trust"
            )
        else:
            text = f"{source} leads to {_text(last.issuer)}, which this machine does not trust"
            yield _warning(text, "others may not either; if the CA is your own, name it in s2s.trust")


def _signs(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _domains(config: Config, pairs: Sequence[KeyPair]) -> Iterator[Finding]:
    """Look whether each domain has a certificate; those of rooms are asked for by other servers (RFC 6120 §13.7)."""
    to_be_made = not config.tls.certificate
    for domain in config.domains:
        if not _covered(domain, pairs):
            if not to_be_made:
                yield _error(f"no certificate is for {domain}", "have one issued whose names include it")
            elif is_local(domain):
                yield Finding(SUBJECT, Level.OK, f"{domain}: the server makes a self-signed certificate")
            else:
                text = f"{domain}: the server makes a self-signed certificate, which nobody else believes"
                yield _warning(text, "set tls.certificate and tls.key, or let a CA issue one: [tls.acme]")
            continue
        if is_local(domain) or not config.s2s.enabled:
            continue
        below = [name for component in config.components for name in component.domains if name.endswith(f".{domain}")]
        missing = [name for name in (*service_domains(config, domain), *below) if not _covered(name, pairs)]
        if missing:
            text = f"no certificate is for {', '.join(missing)}: other servers do not believe it"
            yield _warning(text, f"have one issued for {domain} that names them too")


def _acme(config: Config) -> Iterator[Finding]:
    """Tell what was wrong the last time that a CA was asked."""
    acme = config.tls.acme
    if not acme.enabled:
        return
    if not is_installed():
        yield _error("tls.acme needs packages that are missing", "pip install 'xmpp-server[acme]'")
    memory = Memory(folder_of(config))
    wanted = orders(config)
    if not wanted:
        yield _error(
            "tls.acme is enabled, but there is no domain that a CA issues for", "see domains, tls.acme.domains"
        )
    for order in wanted:
        tried = memory.of(str(order.path))
        if tried.error:
            when = datetime.fromtimestamp(tried.tried_at, UTC).isoformat(" ", "minutes")
            text = f"{order.names[0]}: {acme.directory} has not issued, {tried.failures} times in a row, last at {when}"
            yield _error(f"{text}: {tried.error}", "mend it, then `xmpp-server tls renew`")
        elif not tried.directory:
            yield _warning(f"{order.names[0]}: no CA was asked yet", "start the server, or `xmpp-server tls renew`")


def _name(certificate: x509.Certificate) -> str:
    return _text(certificate.subject)


def _text(name: x509.Name) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return name.rfc4514_string() or "(no name)"


def _error(text: str, remedy: str) -> Finding:
    return Finding(SUBJECT, Level.ERROR, text, remedy)


def _warning(text: str, remedy: str) -> Finding:
    return Finding(SUBJECT, Level.WARNING, text, remedy)
