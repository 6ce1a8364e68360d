"""What TLSA records prove and refute: usages, selectors, matching types, names, dates."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.net.authority import NOW, Authority, name
from xmpp_server.net.dane import RECORDS, Association, Tlsa, judge, usable
from xmpp_server.net.peer_trust import PeerTrust, Standing

PROVEN, UNPROVEN, REFUSED = Standing.PROVEN, Standing.UNPROVEN, Standing.REFUSED
PKIX_TA, PKIX_EE, DANE_TA, DANE_EE = range(4)


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    return Authority(root, common_name="Middle")


@pytest.fixture(scope="module")
def trust(root: Authority) -> PeerTrust:
    return PeerTrust([root.certificate])


NOBODY = PeerTrust([])


def selected(selector: int, der: bytes) -> bytes:
    if selector == 0:
        return der
    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(usage: int, der: bytes, selector: int = 0, matching: int = 1) -> Tlsa:
    data = selected(selector, der)
    return Tlsa(
        usage,
        selector,
        matching,
        {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching],
    )


def says(*records: Tlsa, names: tuple[str, ...] = ()) -> Association:
    return Association(records, names)


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("usage", [PKIX_TA, PKIX_EE, DANE_TA, DANE_EE])
def test_every_kind_of_record(root, middle, trust, usage, selector, matching):
    chain = middle.issue(name("a.example"))
    subject = chain[0] if usage in (PKIX_EE, DANE_EE) else chain[1]
    match = says(record(usage, subject, selector, matching))
    assert judge(match, chain, "a.example", trust) is PROVEN
    whole_anchor = (usage, selector, matching) == (DANE_TA, 0, 0)  # it may be any certificate, the leaf as well
    other = root.der if whole_anchor else chain[1] if subject is chain[0] else chain[0]
    expected = PROVEN if whole_anchor else REFUSED
    assert judge(says(record(usage, other, selector, matching)), chain, "a.example", trust) is expected


def test_one_match_is_enough(root, trust):
    """RFC 7671 §8: records of the old and the new key stand beside one another while they change."""
    chain = root.issue(name("a.example"))
    old = Tlsa(DANE_EE, 1, 1, bytes(32))
    assert judge(says(old, record(DANE_EE, chain[0], 1)), chain, "a.example", trust) is PROVEN
    assert judge(says(old), chain, "a.example", trust) is REFUSED


@pytest.mark.parametrize(
    ("usage", "dated", "named"),
    [(PKIX_TA, True, True), (PKIX_EE, True, True), (DANE_TA, True, True), (DANE_EE, False, False)],
)
def test_dates_and_names(root, middle, trust, usage, dated, named):
    """RFC 7671 §5.1: with DANE-EE neither counts, with all others both."""
    late = middle.issue(name("a.example"), end=NOW - timedelta(hours=1))
    strange = middle.issue(name("b.example"))
    for chain, counts in ((late, dated), (strange, named)):
        subject = chain[0] if usage in (PKIX_EE, DANE_EE) else chain[1]
        expected = REFUSED if counts else PROVEN
        assert judge(says(record(usage, subject)), chain, "a.example", trust) is expected


def test_names_of_the_target(middle, trust):
    """RFC 7673 §4: whom DNSSEC says to serve a domain may show its own name."""
    chain = middle.issue(name("host.example"))
    for usage in (PKIX_TA, DANE_TA):
        match = record(usage, chain[1])
        assert judge(says(match, names=("host.example",)), chain, "a.example", trust) is PROVEN
        assert judge(says(match), chain, "a.example", trust) is REFUSED


def test_names_of_the_target_without_records(middle, trust):
    chain = middle.issue(name("host.example"))
    assert judge(Association((), ("host.example",)), chain, "a.example", trust) is PROVEN
    assert judge(Association(), chain, "a.example", trust) is UNPROVEN
    assert judge(Association((), ("host.example",)), chain, "a.example", NOBODY) is UNPROVEN


@pytest.mark.parametrize(("usage", "standing"), [(PKIX_TA, REFUSED), (PKIX_EE, REFUSED), (DANE_TA, PROVEN)])
def test_who_has_to_be_trusted(root, middle, usage, standing):
    chain = (*middle.issue(name("a.example")), root.der)
    subject = chain[0] if usage == PKIX_EE else chain[1]
    assert judge(says(record(usage, subject)), chain, "a.example", NOBODY) is standing


def test_the_root_of_a_chain(root, middle, trust):
    """A record may be about the root: a peer that relies on it sends it (RFC 7671 §5.2.1)."""
    chain = middle.issue(name("a.example"))
    assert judge(says(record(PKIX_TA, root.der)), chain, "a.example", trust) is PROVEN
    assert judge(says(record(DANE_TA, root.der)), (*chain, root.der), "a.example", NOBODY) is PROVEN
    assert judge(says(record(DANE_TA, root.der)), chain, "a.example", NOBODY) is REFUSED
    assert judge(says(record(DANE_TA, root.der, 0, 0)), chain, "a.example", NOBODY) is PROVEN  # it is in the record


def test_an_authority_that_has_not_signed_the_leaf(root, middle):
    """The attacker adds the CA of the record to a chain of his own."""
    mine = Authority(common_name="Mine").issue(name("a.example"))
    assert judge(says(record(DANE_TA, middle.der)), (*mine, middle.der, root.der), "a.example", NOBODY) is REFUSED


def test_a_leaf_is_no_authority(root):
    """Whoever has a certificate for one name cannot make one for another with it."""
    chain = root.issue(name("b.example"))
    assert (
        judge(says(record(DANE_TA, chain[0])), (*root.issue(name("a.example")), chain[0]), "a.example", NOBODY)
        is REFUSED
    )


@pytest.mark.parametrize("chain", [(), (b"rubbish",), (b"",) * 11])
@pytest.mark.parametrize("usage", [PKIX_TA, PKIX_EE, DANE_TA, DANE_EE])
def test_odd_chains(trust, chain, usage):
    assert judge(says(Tlsa(usage, 0, 0, b"rubbish")), chain, "a.example", trust) is REFUSED


def test_rubbish_for_an_authority(root, trust):
    assert judge(says(Tlsa(DANE_TA, 0, 0, b"rubbish")), root.issue(name("a.example")), "a.example", trust) is REFUSED


@given(st.builds(Tlsa, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=70)))
def test_usable_records_are_those_that_can_match(one):
    """RFC 6698 §4.1."""
    lengths = {0: len(one.data), 1: 32, 2: 64}
    can = one.usage < 4 and one.selector < 2 and one.matching < 3 and 0 < len(one.data) == lengths[one.matching]
    assert usable([one]) == ((one,) if can else ())


def test_too_many_records():
    assert len(usable([Tlsa(3, 1, 1, bytes([number]) * 32) for number in range(100)])) == RECORDS
