"""Certificates: loading, names, the binding hash, and the self-signed one."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from xmpp_server.net.certificates import (
    CertificateError,
    CertificateNames,
    load_key_pair,
    matching_names,
    names_of,
)
from xmpp_server.net.self_signed import FILE_NAME, LIFETIME_DAYS, ensure_self_signed, make_self_signed

ON_XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
ON_DNS_SRV = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")


def certificate(
    *names: x509.GeneralName, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None
) -> x509.Certificate:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA384())


def test_names_come_from_the_subject_alternative_name_only() -> None:
    assert names_of(certificate()) == CertificateNames()
    names = names_of(
        certificate(
            x509.DNSName("Example.ORG"),
            x509.DNSName("*.example.org"),
            x509.OtherName(ON_DNS_SRV, b"\x16\x19_xmpp-client.im.example.n"),
            x509.OtherName(ON_XMPP_ADDR, b"\x0c\x12juliet@example.org"),
            x509.OtherName(ON_XMPP_ADDR, b"\x0c\x81\x83" + b"j" * 119 + b"@example.org"),
        )
    )
    assert names.dns == ("example.org", "*.example.org")
    assert names.srv == ("_xmpp-client.im.example.n",)
    assert names.xmpp_addr == ("juliet@example.org", "j" * 119 + "@example.org")
    assert names.hosts == ("example.org", "*.example.org", "im.example.n")


@pytest.mark.parametrize(
    "value",
    [
        b"\x16\x12juliet@example.org",  # another string type
        b"\x0c\x13juliet@example.org\x00",  # NUL: two readers, two names
        b"\x0c\x02\xff\xfe",
    ],
)
def test_malformed_names_are_left_out(value: bytes) -> None:
    assert names_of(certificate(x509.OtherName(ON_XMPP_ADDR, value))).xmpp_addr == ()


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("Example.org.", ("example.org", "*.org")),
        ("chat.example.org", ("chat.example.org", "*.example.org")),
        ("localhost", ("localhost",)),
        ("", ("",)),
    ],
)
def test_a_wildcard_stands_for_one_label(domain: str, names: tuple[str, ...]) -> None:
    assert matching_names(domain) == names


def test_covers() -> None:
    names = CertificateNames(dns=("example.org", "*.example.org"))
    assert names.covers("example.org")
    assert names.covers("chat.EXAMPLE.org")
    assert not names.covers("a.chat.example.org")
    assert not names.covers("example.net")


def test_a_chain_and_key_in_one_file_or_two(authority: trustme.CA, tmp_path: Path) -> None:
    leaf = authority.issue_cert("example.org")
    both, chain, key = tmp_path / "both.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(both)
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    leaf.private_key_pem.write_to_path(key)
    assert load_key_pair(both).chain == load_key_pair(chain, key).chain
    assert load_key_pair(both).days_left() > 0
    stranger = tmp_path / "stranger.pem"
    authority.issue_cert("example.org").private_key_pem.write_to_path(stranger)
    with pytest.raises(CertificateError, match="not the key"):
        load_key_pair(chain, stranger)
    with pytest.raises(CertificateError, match="no usable private key"):
        load_key_pair(chain)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"missing\.pem"):
        load_key_pair(tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_bytes(b"")
    with pytest.raises(CertificateError, match=r"empty\.pem"):
        load_key_pair(tmp_path / "empty.pem")


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "encrypted.pem"
    path.write_bytes(
        certificate(key=key).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(CertificateError, match="no usable private key"):
        load_key_pair(path)


def test_a_self_signed_pair_covers_domains_and_subdomains(tmp_path: Path) -> None:
    pair = ensure_self_signed(tmp_path / "tls", ["example.org", "bücher.example", "127.0.0.1", "[::1]"])
    assert stat.S_IMODE((tmp_path / "tls" / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "tls").iterdir()] == [FILE_NAME]
    for domain in ("example.org", "chat.example.org", "xn--bcher-kva.example", "127.0.0.1", "::1"):
        assert pair.names.covers(domain), domain
    assert isinstance(pair.key, ec.EllipticCurvePrivateKey)
    assert LIFETIME_DAYS - 1 < pair.days_left() <= LIFETIME_DAYS


def test_a_self_signed_pair_is_kept_until_it_does_not_fit(tmp_path: Path) -> None:
    first = ensure_self_signed(tmp_path, ["example.org"])
    assert ensure_self_signed(tmp_path, ["example.org"]).chain == first.chain
    assert ensure_self_signed(tmp_path, ["example.org", "example.net"]).chain != first.chain
    path = tmp_path / FILE_NAME
    path.write_bytes(make_self_signed(["example.org"], datetime.now(UTC) - timedelta(days=LIFETIME_DAYS - 5)))
    assert ensure_self_signed(tmp_path, ["example.org"]).days_left() > 1000
    path.write_bytes(b"half a fi")
    assert ensure_self_signed(tmp_path, ["example.org"]).names.covers("example.org")


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="file"):
        ensure_self_signed(tmp_path / "file", ["example.org"])


def test_a_long_domain_has_no_common_name_of_its_own(issue: Callable[..., Path]) -> None:
    long = ".".join(["label" * 4] * 5)
    pem = make_self_signed([long], datetime.now(UTC))
    assert names_of(x509.load_pem_x509_certificate(pem)).covers(long)
