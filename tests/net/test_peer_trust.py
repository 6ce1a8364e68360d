"""What certificates of servers prove: names, chains, dates, usages."""

from __future__ import annotations

import time
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.net.authority import CLIENT, CODE, KEY, NOW, SERVER, SIGNS, Authority, builder, name, other
from xmpp_server.net.certificates import CertificateError
from xmpp_server.net.peer_trust import CHAIN, PeerTrust


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


XMPP_ADDR, SRV_NAME = "1.3.6.1.5.5.7.8.5", "1.3.6.1.5.5.7.8.7"


@pytest.mark.parametrize(
    ("permitted", "excluded", "proven"),
    [
        (["a.example"], None, True),
        (["example"], None, True),
        (["b.example"], None, False),
        (["xa.example"], None, False),
        (["b.example", "a.example"], None, True),
        (None, ["a.example"], False),
        (None, ["example"], False),
        (None, ["b.example"], True),
        (None, ["x.a.example"], True),
    ],
)
@pytest.mark.parametrize(
    "subject",
    [
        name("a.example"),
        other(XMPP_ADDR, 0x0C, "a.example"),
        other(SRV_NAME, 0x16, "_xmpp-server.a.example"),
    ],
)
def test_name_constraints(authority, trust, subject, permitted, excluded, proven):
    """RFC 5280 §4.2.1.10, for names of XMPP as well: who may issue for b.example does not speak for a.example."""
    subtrees = [None if names is None else [name(each) for each in names] for names in (permitted, excluded)]
    company = Authority(authority, constraints=x509.NameConstraints(*subtrees))
    assert trust.proves(company.issue(subject), "a.example") is proven


def test_constraints_of_other_forms_of_names(authority, trust):
    network = x509.IPAddress(ip_network("192.0.2.0/24"))
    company = Authority(authority, constraints=x509.NameConstraints([network], None))
    assert trust.proves(company.issue(other(XMPP_ADDR, 0x0C, "a.example")), "a.example")
    assert not trust.proves(company.issue(x509.IPAddress(ip_address("192.0.3.1"))), "192.0.3.1")


@pytest.mark.parametrize(
    "subject",
    [
        *("*.*.example", "s*.a.example", "*", "*.", "**.a.example", "sub.*.example", "*.example.", ".a.example"),
        *("a.example\0.evil.test", "a.example\0", "sub.a.example\0.evil.test", "a.example ", "xn--*.example"),
    ],
)
@pytest.mark.parametrize("domain", ["a.example", "sub.a.example", "münchen.example"])
def test_odd_names(authority, trust, subject, domain):
    """RFC 9525 §6.3: a wildcard is one whole label, the first; names with a NUL are two names (CVE-2009-2408)."""
    assert not trust.proves(authority.issue(name(subject)), domain)


def test_case_does_not_matter(authority, trust):
    assert trust.proves(authority.issue(name("A.Example")), "a.example")
    assert trust.proves(authority.issue(name("XN--MNCHEN-3YA.Example")), "münchen.example")
    assert trust.proves(authority.issue(name("*.XN--MNCHEN-3YA.example")), "chat.münchen.example")


def test_names_in_unicode(authority, trust):
    """DNS names stand in A-labels (RFC 9525 §6.3), xmppAddr as the address is written (RFC 6120 §13.7.1.4)."""
    assert trust.proves(authority.issue(other(XMPP_ADDR, 0x0C, "münchen.example")), "münchen.example")
    assert not trust.proves(authority.issue(other(XMPP_ADDR, 0x0C, "xn--mnchen-3ya.example")), "münchen.example")
    srv = other(SRV_NAME, 0x16, "_xmpp-server.xn--mnchen-3ya.example")
    assert trust.proves(authority.issue(srv), "münchen.example")


@pytest.mark.parametrize(
    "value",
    [
        b"\x0c\x0aa.example",  # longer than it is
        b"\x0c\x08a.example",
        b"\x0c\x80a.example",  # without an end
        b"\x0c\x82\xff\xffexample",
        b"\x16\x09a.example",  # not UTF-8 by its tag
        b"\x0c\x09a.exampl\xff",
        b"\x0c\x09a.exampl\0",
        b"\x0c\x09 .example",
    ],
)
def test_malformed_names_of_xmpp(authority, trust, value):
    proper = b"\x0c\x09a.example"
    chain = authority.issue(x509.OtherName(x509.ObjectIdentifier(XMPP_ADDR), proper))
    assert trust.proves(authority.forge(chain, proper, proper), "a.example")
    assert not trust.proves(authority.forge(chain, proper, value), "a.example")


def test_long_addresses_of_xmpp(authority, trust):
    """From 128 bytes on the length takes more room."""
    domain = ".".join(["x" * 40] * 4)
    value = b"\x0c\x81" + bytes([len(domain)]) + domain.encode()
    assert trust.proves(authority.issue(x509.OtherName(x509.ObjectIdentifier(XMPP_ADDR), value)), domain)


def test_srv_names_have_no_wildcards_and_no_other_services(authority, trust):
    for text in ("_xmpp-server.*.example", "_imap.a.example", "a.example", "_xmpp-server.", "_xmpp-server.a.example\0"):
        assert not trust.proves(authority.issue(other(SRV_NAME, 0x16, text)), "a.example")


def test_an_ip_address_as_a_name(authority, trust):
    """RFC 9525 §6.5: addresses stand in iPAddress alone."""
    assert not trust.proves(authority.issue(name("127.0.0.1")), "127.0.0.1")


def test_many_names_and_a_large_certificate(authority, trust):
    chain = authority.issue(*[name(f"x{number}.example") for number in range(5000)], name("a.example"))
    assert trust.proves(chain, "a.example")
    assert not trust.proves(chain, "b.example")


def test_long_chains(authority, trust):
    company = authority
    for number in range(CHAIN + 2):
        company = Authority(company, common_name=f"CA {number}")
        chain = company.issue(name("a.example"))
        if len(chain) < CHAIN:
            assert trust.proves(chain, "a.example")
    assert len(chain) > CHAIN
    assert not trust.proves(chain, "a.example")


def test_a_maze_of_authorities(trust):
    """CAs that have signed one another lead nowhere, and the way there is not walked for ever."""
    one, two = Authority(common_name="Maze"), Authority(common_name="Maze")
    crossed = []
    for _ in range(4):
        for subject, signer in ((one, two), (two, one)):
            made = builder(subject.name, signer.name, subject.key.public_key()).add_extension(
                x509.BasicConstraints(ca=True, path_length=None), critical=True
            )
            made = made.add_extension(SIGNS, critical=True)
            own = x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key())
            above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
            made = made.add_extension(own, critical=False).add_extension(above, critical=False)
            crossed.append(made.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER))
    chain = (*one.issue(name("a.example")), *crossed)
    start = time.perf_counter()
    assert not trust.proves(chain, "a.example")
    assert time.perf_counter() - start < 1.0


def test_a_short_path_for_a_long_chain(authority, trust):
    """RFC 5280 §4.2.1.9."""
    low = Authority(Authority(authority, path_length=0, common_name="One"), common_name="Two")
    assert not trust.proves(low.issue(name("a.example")), "a.example")


def test_a_leaf_signs_nothing(authority, trust):
    """The holder of one certificate does not make others (CVE-2002-0862)."""
    [leaf] = authority.issue(name("b.example"))
    subject = x509.load_der_x509_certificate(leaf).subject
    made = builder(x509.Name([]), subject, KEY.public_key())
    made = made.add_extension(x509.SubjectAlternativeName([name("a.example")]), critical=True)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key()), critical=False)
    forged = made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    assert not trust.proves((forged, leaf), "a.example")
