"""What certificates of servers prove: names, chains, dates, usages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from xmpp_server.net.certificates import CertificateError
from xmpp_server.net.peer_trust import PeerTrust

NOW = datetime.now(UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
SERVER, CLIENT, CODE = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
)


SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """A CA that signs anything."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.certificate = (
            builder(self.name, self.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(SIGNS, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self,
        *names: x509.GeneralName,
        usages: Sequence[ObjectIdentifier] | None = (SERVER,),
        start: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=30),
        common_name: str = "a.example",
    ) -> tuple[bytes, ...]:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        made = builder(subject, self.name, KEY.public_key(), start, end)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages is not None:
            made = made.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        return (made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER),)


def builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=365),
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def other(oid: str, der_tag: int, text: str) -> x509.OtherName:
    data = text.encode()
    return x509.OtherName(ObjectIdentifier(oid), bytes([der_tag, len(data)]) + data)


def name(text: str) -> x509.DNSName:
    return x509.DNSName(text)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trust(authority: Authority) -> PeerTrust:
    return PeerTrust([authority.certificate])


@pytest.mark.parametrize(
    ("names", "domain", "proven"),
    [
        (["a.example"], "a.example", True),
        (["b.example", "a.example"], "a.example", True),
        (["a.example"], "b.example", False),
        (["a.example"], "sub.a.example", False),
        (["*.a.example"], "sub.a.example", True),
        (["*.a.example"], "a.example", False),
        (["*.a.example"], "x.sub.a.example", False),
        (["*.example"], "a.example", True),
        (["a.example.evil.test"], "a.example", False),
        (["xn--mnchen-3ya.example"], "münchen.example", True),
    ],
)
def test_names(authority, trust, names, domain, proven):
    """RFC 9525 §6.3."""
    assert trust.proves(authority.issue(*map(name, names)), domain) is proven


def test_the_common_name_counts_for_nothing(authority, trust):
    assert not trust.proves(authority.issue(), "a.example")


@pytest.mark.parametrize(
    ("usages", "proven"), [(None, True), ([SERVER], True), ([CLIENT], True), ([SERVER, CLIENT], True), ([CODE], False)]
)
def test_usages(authority, trust, usages, proven):
    """Public CAs give serverAuth alone: the name is what matters, in both directions."""
    assert trust.proves(authority.issue(name("a.example"), usages=usages), "a.example") is proven


def test_dates(authority, trust):
    late = authority.issue(name("a.example"), end=NOW - timedelta(hours=1))
    early = authority.issue(name("a.example"), start=NOW + timedelta(hours=1))
    assert not trust.proves(late, "a.example")
    assert not trust.proves(early, "a.example")


def test_other_authorities(trust):
    assert not trust.proves(Authority().issue(name("a.example")), "a.example")


@pytest.mark.parametrize(
    ("names", "proven"),
    [
        ([other("1.3.6.1.5.5.7.8.7", 0x16, "_xmpp-server.a.example")], True),
        ([other("1.3.6.1.5.5.7.8.7", 0x16, "_xmpp-client.a.example")], False),
        ([other("1.3.6.1.5.5.7.8.5", 0x0C, "a.example")], True),
        ([other("1.3.6.1.5.5.7.8.5", 0x0C, "romeo@a.example")], False),
        ([other("1.3.6.1.5.5.7.8.5", 0x0C, "a.example\0.evil.test")], False),
    ],
)
def test_names_of_xmpp(authority, trust, names, proven):
    """RFC 6120 §13.7.1.2."""
    assert trust.proves(authority.issue(*names), "a.example") is proven


def test_addresses(authority, trust):
    chain = authority.issue(x509.IPAddress(ip_address("127.0.0.1")))
    assert trust.proves(chain, "127.0.0.1")
    assert not trust.proves(chain, "127.0.0.2")


@pytest.mark.parametrize("chain", [(), (b"rubbish",), (b"",) * 11])
def test_odd_chains(trust, chain):
    assert not trust.proves(chain, "a.example")


@pytest.mark.parametrize("domain", ["", "a b", "a..b", "*.example", "[::1"])
def test_odd_domains(authority, trust, domain):
    assert not trust.proves(authority.issue(name("*.example")), domain)


def test_nobody_is_trusted(authority):
    assert not PeerTrust([]).proves(authority.issue(name("a.example")), "a.example")


def test_files(tmp_path: Path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    chain = ca.issue_cert("a.example")
    ders = [x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER) for pem in chain.cert_chain_pems]
    assert PeerTrust.load(tmp_path / "ca.pem").proves(ders, "a.example")
    assert not PeerTrust.load(None).proves(ders, "a.example")
    with pytest.raises(CertificateError):
        PeerTrust.load(tmp_path / "missing.pem", system=False)
