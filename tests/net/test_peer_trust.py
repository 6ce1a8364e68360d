"""What certificates of servers prove: names, chains, dates, usages."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.net.authority import CLIENT, CODE, NOW, SERVER, Authority, name, other
from xmpp_server.net.certificates import CertificateError
from xmpp_server.net.peer_trust import PeerTrust


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
