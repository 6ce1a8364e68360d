"""A self-signed certificate for a server that was given none (RFC 5280)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xmpp_server.net.certificates import CertificateError, KeyPair, load_key_pair

FILE_NAME = "self-signed.pem"
LIFETIME_DAYS = 3650
#: A certificate that ends sooner is made anew at the next start.
RENEW_DAYS = 30
_COMMON_NAME_CHARACTERS = 64


def ensure_self_signed(directory: Path, domains: Sequence[str]) -> KeyPair:
    """Load the self-signed pair of a directory, or make it where it is missing, ends soon, or lacks a domain.

    Key and certificate share the file, so that replacing it is one atomic rename; only its owner can read it.

    Raises:
        CertificateError: The file cannot be written.

    """
    path = directory / FILE_NAME
    if path.exists():
        try:
            pair = load_key_pair(path)
        except CertificateError:
            pair = None
        wanted = {certified_name(domain) for domain in domains}
        if pair is not None and pair.days_left() > RENEW_DAYS and wanted <= set(pair.names.hosts):
            return pair
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, make_self_signed(domains, datetime.now(UTC)))
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
    return load_key_pair(path)


def make_self_signed(domains: Sequence[str], now: datetime) -> bytes:
    """Make an EC P-256 key and a certificate for the domains and their direct subdomains; PEM, key first."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [certified_name(domain) for domain in domains]
    common_name = next((name for name in names if len(name) <= _COMMON_NAME_CHARACTERS), "xmpp-server")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clients' clocks differ
        .not_valid_after(now + timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            # Both: a server is the TLS client of the connections that it makes to other servers.
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem_key + certificate.public_bytes(Encoding.PEM)


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    """Each domain with a wildcard for its subdomains, each address; every name once."""
    result: dict[x509.GeneralName, None] = {}
    for name in names:
        try:
            result[x509.IPAddress(ip_address(name))] = None
        except ValueError:
            result[x509.DNSName(name)] = None
            result[x509.DNSName(f"*.{name}")] = None
    return list(result)


def certified_name(domain: str) -> str:
    """Return a domain as certificates bear it: A-labels, lower case; addresses without brackets."""
    if domain.isascii():
        return domain.lower().strip("[]")
    return idna.encode(domain, uts46=True).decode("ascii")


def write_private(path: Path, data: bytes) -> None:
    """Put data into a file that only the owner reads; a reader sees the old content or the new, never half.

    Raises:
        OSError: It cannot be written; what was there stays.

    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
