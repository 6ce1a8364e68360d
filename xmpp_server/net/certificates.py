"""X.509 certificates with their keys: loading, names (RFC 6125, RFC 6120 §13.7.1.2), expiry."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from xmpp_server.sasl.channel_binding import server_end_point

#: Kinds of key that TLS servers use.
PrivateKey: TypeAlias = (
    ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)

_ON_XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
_ON_DNS_SRV = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
_DER_UTF8_STRING = 0x0C
_DER_IA5_STRING = 0x16
#: SRVName services whose holder may serve a domain over XMPP (RFC 6120 §13.7.1.2.1).
_SERVICES = ("_xmpp-client.", "_xmpp-server.")


class CertificateError(Exception):
    """A certificate or key cannot be used; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """What a certificate's subjectAltName says; the common name counts for nothing (RFC 9525 §2)."""

    dns: tuple[str, ...] = ()
    srv: tuple[str, ...] = ()
    xmpp_addr: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Domains and wildcards that the certificate is good for on an XMPP server, lower case."""
        services = (name[len(service) :] for name in self.srv for service in _SERVICES if name.startswith(service))
        return tuple(dict.fromkeys((*self.dns, *services, *self.ip)))

    def covers(self, domain: str) -> bool:
        """Whether the certificate is good for `domain` (in A-labels)."""
        hosts = self.hosts
        return any(candidate in hosts for candidate in matching_names(domain))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate chain, leaf first, and the leaf's key."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    names: CertificateNames
    #: The tls-server-end-point channel binding (RFC 5929 §4.1); None where it is not defined.
    end_point: bytes | None
    #: Where it came from, for messages.
    source: str

    @property
    def is_self_signed(self) -> bool:
        """Whether the leaf names itself as its issuer."""
        return self.chain[0].issuer == self.chain[0].subject

    @property
    def not_after(self) -> datetime:
        """When the leaf expires."""
        return self.chain[0].not_valid_after_utc

    def days_left(self, now: datetime | None = None) -> float:
        """Days until the leaf expires; negative afterwards."""
        return (self.not_after - (now or datetime.now(UTC))).total_seconds() / 86400


def load_key_pair(certificate: Path, key: Path | None = None) -> KeyPair:
    """Read a PEM chain, and the key from a second file or from the same.

    Raises:
        CertificateError: A file cannot be read or parsed, or the key belongs to another certificate.

    """
    pem = _read(certificate)
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise CertificateError(f"{certificate}: no certificate: {error}") from None
    key_path = key or certificate
    private = _load_key(_read(key_path), key_path)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    leaf_key = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public != leaf_key:
        raise CertificateError(f"{key_path}: this is not the key of the first certificate in {certificate}")
    return KeyPair(chain, private, names_of(chain[0]), server_end_point(chain[0]), os.fspath(certificate))


def best_pair(pairs: Sequence[KeyPair], domain: str) -> KeyPair:
    """Return the pair for a domain (in A-labels); the first of `pairs` is the default one, and counts last."""
    return next((pair for pair in (*pairs[1:], pairs[0]) if pair.names.covers(domain)), pairs[0])


def names_of(certificate: x509.Certificate) -> CertificateNames:
    """Take the names from the subjectAltName; malformed ones are left out.

    Raises:
        CertificateError: The extension cannot be parsed.

    """
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateNames()
    except ValueError as error:
        raise CertificateError(f"subjectAltName: {error}") from None
    others = san.get_values_for_type(x509.OtherName)
    return CertificateNames(
        dns=tuple(name.lower() for name in san.get_values_for_type(x509.DNSName) if _is_clean(name)),
        srv=tuple(name.lower() for name in _strings(others, _ON_DNS_SRV, _DER_IA5_STRING, "ascii") if _is_clean(name)),
        xmpp_addr=tuple(name for name in _strings(others, _ON_XMPP_ADDR, _DER_UTF8_STRING, "utf-8") if _is_clean(name)),
        ip=tuple(str(address) for address in san.get_values_for_type(x509.IPAddress)),
    )


def matching_names(domain: str) -> tuple[str, ...]:
    """The names a certificate may bear for a domain: itself, or a wildcard for its first label (RFC 9525 §6.3)."""
    name = domain.lower().rstrip(".")
    _, dot, parent = name.partition(".")
    return (name, f"*.{parent}") if dot and "." not in (parent[:1], name[:1]) else (name,)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None


def _load_key(pem: bytes, path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise CertificateError(f"{path}: no usable private key: {error}") from None
    if not isinstance(key, PrivateKey):
        raise CertificateError(f"{path}: {type(key).__name__} cannot be used with TLS")
    return key


def _strings(others: list[x509.OtherName], kind: x509.ObjectIdentifier, der_tag: int, encoding: str) -> Iterator[str]:
    """Decode the DER strings in the otherNames of one kind."""
    for other in others:
        value = other.value
        # Names of 128 bytes and more have a longer length field; up to 65535 is enough for a JID.
        if other.type_id != kind or len(value) < 2 or value[0] != der_tag:
            continue
        start = {0x81: 3, 0x82: 4}.get(value[1], 2)
        length = value[1] if start == 2 else int.from_bytes(value[2:start], "big")
        if start + length != len(value):
            continue
        try:
            yield value[start:].decode(encoding)
        except UnicodeDecodeError:
            continue


def _is_clean(name: str) -> bool:
    """No NUL and nothing else that makes two readers see two names (CVE-2009-2408)."""
    return bool(name) and name.isprintable() and " " not in name
