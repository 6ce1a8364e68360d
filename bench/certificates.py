"""P-256 certificates for the servers under test: the same kind for all, so that handshakes cost them the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

#: ejabberd sets a timer for the end of a certificate, which must not be centuries away.
_VALID = timedelta(days=30)


def make_authority(path: Path) -> trustme.CA:
    """Make an authority for servers that are to believe each other, and write its certificate as PEM."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(path)
    return authority


def write_certificate(folder: Path, domain: str, authority: trustme.CA | None = None) -> tuple[Path, Path]:
    """Write certificate and key as PEM files, by an authority that nobody knows unless one is given; return paths."""
    signer = authority or trustme.CA(key_type=trustme.KeyType.ECDSA)
    pair = signer.issue_cert(domain, not_after=datetime.now(UTC) + _VALID, key_type=trustme.KeyType.ECDSA)
    certificate_path, key_path = folder / f"{domain}.pem", folder / f"{domain}.key"
    pair.cert_chain_pems[0].write_to_path(certificate_path)
    pair.private_key_pem.write_to_path(key_path)
    return certificate_path, key_path
