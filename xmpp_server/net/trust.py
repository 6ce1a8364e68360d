"""Which certificates of peers are believed: chains up to CAs that the operator trusts (RFC 5280)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from xmpp_server.net.certificates import CertificateError


class TrustStore:
    """A set of trusted CAs."""

    def __init__(self, authorities: Sequence[x509.Certificate]) -> None:
        self._store = Store(list(authorities))

    @classmethod
    def load(cls, path: Path) -> TrustStore:
        """Read the CAs from a PEM file.

        Raises:
            CertificateError: The file cannot be read or holds no certificate.

        """
        try:
            return cls(x509.load_pem_x509_certificates(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise CertificateError(f"{path}: {error}") from None

    def trusts_client(self, chain: Sequence[bytes]) -> bool:
        """Tell whether a client's chain (DER, leaf first) leads to a trusted CA and is good now."""
        try:
            leaf, *others = [x509.load_der_x509_certificate(der) for der in chain]
            PolicyBuilder().store(self._store).build_client_verifier().verify(leaf, others)
        except (VerificationError, ValueError):
            return False
        return True
