"""TLS channel bindings: RFC 9266 (tls-exporter) and RFC 5929 §4 (tls-server-end-point)."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

EXPORTER = "tls-exporter"
SERVER_END_POINT = "tls-server-end-point"

#: RFC 9266 §2: what TLS 1.3 exports with an empty context, and how many bytes.
EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
EXPORTER_BYTES = 32

PLUS = "-PLUS"


def server_end_point(certificate: x509.Certificate) -> bytes | None:
    """Return the hash of the server's certificate that its signature uses, at least SHA-256 (RFC 5929 §4.1).

    None where the signature uses no single hash (Ed25519): RFC 5929 leaves the binding undefined.
    """
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm)


def advertised(offered: Iterable[str], available: Iterable[str]) -> tuple[str, ...]:
    """Return the binding types to announce (XEP-0440): none where no -PLUS mechanism is `offered`.

    A client that sees types but no mechanism for them has to suspect an attack (XEP-0440 §5).
    """
    if any(name.endswith(PLUS) for name in offered):
        return tuple(sorted(available))
    return ()
