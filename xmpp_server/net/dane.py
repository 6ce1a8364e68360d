"""DANE: what TLSA records say of a server's certificate (RFC 6698, RFC 7671; with SRV records RFC 7673)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from xmpp_server.net.peer_trust import PeerTrust, Standing, parse_chain

#: So many records of one target are looked at.
RECORDS = 16


class Usage(IntEnum):
    """Which certificate a record is about, and what else must be so (RFC 6698 §2.1.1)."""

    #: A CA on the way to one that is trusted anyway.
    PKIX_TA = 0
    #: The server's own, which a trusted CA has issued.
    PKIX_EE = 1
    #: The CA to trust.
    DANE_TA = 2
    #: The server's own, and nothing else counts.
    DANE_EE = 3


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record, as it came."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Association:
    """What DNSSEC vouches for of one target: usable records, and its names beside the domain it serves."""

    records: tuple[Tlsa, ...] = ()
    #: In A-labels; a certificate may bear any of them where names count (RFC 7673 §4).
    names: tuple[str, ...] = ()
    #: A certificate that PKIX accepts is as good as one that a record matches.
    pkix: bool = False


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Leave out the records that nobody can match (RFC 6698 §4.1)."""
    return tuple(islice(filter(_can_match, records), RECORDS))


def _can_match(record: Tlsa) -> bool:
    if record.usage not in _USAGES or record.selector not in _SELECTORS or record.matching not in _LENGTHS:
        return False
    return len(record.data) == (_LENGTHS[record.matching] or len(record.data)) > 0


def judge(association: Association, chain: Sequence[bytes], domain: str, trust: PeerTrust) -> Standing:
    """Judge a chain (DER, leaf first) by the records of its server.

    Without records PKIX decides alone, with the target's names as good as the domain's. With records one of them must
    match: nothing else proves the server then (RFC 7673 §3.4).
    """
    names = (domain, *association.names)
    certificates = parse_chain(chain)
    records = association.records
    if certificates and any(_matches(record, certificates, names, trust) for record in records):
        return Standing.PROVEN
    if records and not association.pkix:
        return Standing.REFUSED
    proven = certificates and any(trust.path(certificates, name) for name in names)
    return Standing.PROVEN if proven else Standing.UNPROVEN


def _matches(record: Tlsa, chain: Sequence[x509.Certificate], names: Sequence[str], trust: PeerTrust) -> bool:
    return _RULES[Usage(record.usage)](record, chain, names, trust)


def _own(record: Tlsa, chain: Sequence[x509.Certificate], _names: Sequence[str], _trust: PeerTrust) -> bool:
    """RFC 7671 §5.1: neither names nor dates count, the record says it all."""
    return _is(record, chain[0])


def _own_of_trusted(record: Tlsa, chain: Sequence[x509.Certificate], names: Sequence[str], trust: PeerTrust) -> bool:
    return _is(record, chain[0]) and any(trust.path(chain, name) for name in names)


def _authority_of_trusted(
    record: Tlsa, chain: Sequence[x509.Certificate], names: Sequence[str], trust: PeerTrust
) -> bool:
    return any(_is(record, authority) for name in names for authority in trust.path(chain, name)[1:])


def _authority(record: Tlsa, chain: Sequence[x509.Certificate], names: Sequence[str], _trust: PeerTrust) -> bool:
    """RFC 7671 §5.2: the chain bears the CA, or a record of the whole certificate does; dates and names count."""
    anchors = [certificate for certificate in chain[1:] if _is(record, certificate)]
    if (record.selector, record.matching) == (_CERTIFICATE, _EXACT):
        try:
            anchors.append(x509.load_der_x509_certificate(record.data))
        except ValueError:
            return False
    return any(PeerTrust([anchor]).path(chain, name) for anchor in anchors for name in names)


def _is(record: Tlsa, certificate: x509.Certificate) -> bool:
    """Tell whether a record is about a certificate (RFC 6698 §2.1.2, §2.1.3)."""
    try:
        data = _SELECTORS[record.selector](certificate)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return hmac.compare_digest(_MATCHINGS[record.matching](data), record.data)


def _whole(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


Rule: TypeAlias = Callable[[Tlsa, Sequence[x509.Certificate], Sequence[str], PeerTrust], bool]

_CERTIFICATE, _EXACT = 0, 0
_USAGES = frozenset(Usage)
_RULES: Mapping[Usage, Rule] = MappingProxyType(
    {
        Usage.PKIX_TA: _authority_of_trusted,
        Usage.PKIX_EE: _own_of_trusted,
        Usage.DANE_TA: _authority,
        Usage.DANE_EE: _own,
    }
)
_SELECTORS: Mapping[int, Callable[[x509.Certificate], bytes]] = MappingProxyType({_CERTIFICATE: _whole, 1: _key})
_MATCHINGS: Mapping[int, Callable[[bytes], bytes]] = MappingProxyType(
    {
        _EXACT: lambda data: data,
        1: lambda data: hashlib.sha256(data).digest(),
        2: lambda data: hashlib.sha512(data).digest(),
    }
)
#: The bytes of a record's data by matching type; 0 is any.
_LENGTHS: Mapping[int, int] = MappingProxyType({_EXACT: 0, 1: 32, 2: 64})
