"""What a server's certificate proves: RFC 6120 §13.7.2, RFC 6125/9525, in either direction of a stream."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Sequence
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path

import idna
import structlog
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from xmpp_server.net.certificates import CertificateError, names_of

#: Longer chains are not looked at.
CHAIN = 10

#: What the holder may use the certificate for. Public CAs issue for serverAuth alone, and the name is as good then.
_USAGES = frozenset(
    {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)

log = structlog.get_logger()


class Standing(Enum):
    """What is known of a peer's certificate."""

    #: It proves the domain.
    PROVEN = auto()
    #: It proves nothing; dialback may make up for that.
    UNPROVEN = auto()
    #: The domain says that its certificate is another one (RFC 7673 §3.4), or what it says cannot be known.
    REFUSED = auto()


class PeerTrust:
    """Judges the chains of other servers with the system's CAs and the operator's own."""

    def __init__(self, authorities: Sequence[x509.Certificate]) -> None:
        ee = (
            ExtensionPolicy.permit_all()
            .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
            .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_usage)
        )
        self._policy = (
            None
            if not authorities
            else PolicyBuilder()
            .store(Store(list(authorities)))
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ee)
        )

    @classmethod
    def load(cls, extra: Path | None, *, system: bool = True) -> PeerTrust:
        """Read the system's CAs, and those of a PEM file.

        Raises:
            CertificateError: The file cannot be read.

        """
        authorities: list[x509.Certificate] = []
        bundle = ssl.get_default_verify_paths().cafile if system else None
        for path in (bundle, extra):
            if path is not None:
                authorities += _read(Path(path))
        return cls(authorities)

    def proves(self, chain: Sequence[bytes], domain: str) -> bool:
        """Tell whether a chain (DER, leaf first) is good now, leads to a trusted CA, and is for `domain`."""
        certificates = parse_chain(chain)
        return bool(certificates) and bool(self.path(certificates, domain))

    def path(self, chain: Sequence[x509.Certificate], domain: str) -> Sequence[x509.Certificate]:
        """Return the way from the leaf to a trusted CA, both included; () if the chain does not prove `domain`."""
        subject = _subject(domain)
        if self._policy is None or subject is None:
            return ()
        leaf, *others = chain
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._policy.build_server_verifier(subject).verify(leaf, others)
        except VerificationError as error:
            return self._path_otherwise(leaf, others, domain, error)
        except ValueError as error:
            log.info("certificate-unreadable", domain=domain, reason=str(error))
            return ()

    def _path_otherwise(
        self, leaf: x509.Certificate, others: list[x509.Certificate], domain: str, error: VerificationError
    ) -> Sequence[x509.Certificate]:
        """Look for names that only XMPP knows: SRVName and xmppAddr (RFC 6120 §13.7.1.2)."""
        assert self._policy is not None  # noqa: S101
        try:
            names = names_of(leaf)
            if f"_xmpp-server.{_ascii(domain)}" not in names.srv and domain not in names.xmpp_addr:
                log.info("certificate-refused", domain=domain, reason=str(error))
                return ()
            path = self._policy.build_client_verifier().verify(leaf, others).chain
            if not all(_may_name(authority, _ascii(domain)) for authority in path[1:]):
                raise CertificateError("a CA may not issue for this domain")
            return path
        except (VerificationError, ValueError, CertificateError) as refusal:
            log.info("certificate-refused", domain=domain, reason=str(refusal))
            return ()


def parse_chain(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """Read the certificates of a chain (DER, leaf first); nothing if one cannot be read, or there are too many."""
    if len(chain) > CHAIN:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography tells of odd certificates that it reads all the same
            return [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError as error:
        log.info("certificate-unreadable", reason=str(error))
        return []


def _may_name(authority: x509.Certificate, domain: str) -> bool:
    """Hold a CA's name constraints for DNS against names that only XMPP knows: a CA of one domain vouches for no other.

    RFC 5280 §4.2.1.10 does not: there each form of name has constraints of its own.
    """
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    permitted = [name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)]
    excluded = [name.value for name in constraints.excluded_subtrees or () if isinstance(name, x509.DNSName)]
    if any(_is_below(domain, name) for name in excluded):
        return False
    return not permitted or any(_is_below(domain, name) for name in permitted)


def _is_below(domain: str, parent: str) -> bool:
    parent = parent.lower().lstrip(".")
    return not parent or domain == parent or domain.endswith(f".{parent}")


def _check_usage(_policy: object, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and _USAGES.isdisjoint(usage):
        raise ValueError("the certificate is for something else than TLS")


def _subject(domain: str) -> x509.DNSName | x509.IPAddress | None:
    try:
        return x509.IPAddress(ip_address(domain.strip("[]")))
    except ValueError:
        pass
    try:
        return x509.DNSName(_ascii(domain))
    except (ValueError, idna.IDNAError):
        return None


def _ascii(domain: str) -> str:
    return domain if domain.isascii() else idna.encode(domain).decode("ascii")


def _read(path: Path) -> list[x509.Certificate]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path}: {error}") from None
