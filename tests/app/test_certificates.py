"""Which certificate is shown for which domain, and what a reload changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.federation import certificate
from xmpp_server.app.acme.plan import orders
from xmpp_server.app.certificates import Certificates, files_for, key_pairs
from xmpp_server.app.settings import Acme, Component, Config, DomainTls, Tls
from xmpp_server.net.certificates import CertificateError, best_pair

ACME = Acme(enabled=True, terms_agreed=True)


def of(tls: Tls) -> DomainTls:
    return DomainTls(certificate=tls.certificate, key=tls.key)


def configured(folder: Path, *domains: str, tls: Tls, components: tuple[Component, ...] = ()) -> Config:
    return Config(domains=domains, data_dir=str(folder), tls=tls, components=components)


def shown(config: Config, name: str) -> str:
    """Return the file of the certificate for a name."""
    return best_pair(key_pairs(config), name).source


def test_a_domains_own_goes_before_the_one_that_the_server_has_made(tmp_path, authority):
    own = certificate(tmp_path / "own", authority, "b.example")
    config = configured(tmp_path, "a.example", "b.example", tls=Tls(domains={"b.example": of(own)}))
    assert shown(config, "b.example") == own.certificate
    assert shown(config, "a.example").endswith("self-signed.pem")
    assert key_pairs(config)[0].source.endswith("self-signed.pem")  # for those who say no name


def test_a_domains_own_goes_before_the_one_for_all(tmp_path, authority):
    every = certificate(tmp_path / "all", authority, "a.example", "b.example")
    own = certificate(tmp_path / "own", authority, "b.example")
    tls = Tls(certificate=every.certificate, key=every.key, domains={"b.example": of(own)})
    config = configured(tmp_path, "a.example", "b.example", tls=tls)
    assert shown(config, "b.example") == own.certificate
    assert shown(config, "unknown.example") == every.certificate


def test_a_reload_is_all_or_nothing(tmp_path, authority):
    tls = certificate(tmp_path, authority, "a.example")
    config = configured(tmp_path, "a.example", tls=tls)
    certificates = Certificates(config)
    old = certificates.pairs
    good = Path(tls.certificate).read_bytes()
    Path(tls.certificate).write_text("-----BEGIN")
    with pytest.raises(CertificateError, match="no certificate"):
        certificates.reload(config)
    assert certificates.pairs is old
    Path(tls.certificate).write_bytes(good)
    certificates.reload(config)
    assert certificates.pairs is not old


def test_a_key_that_tls_refuses_leaves_every_door_as_it_was(tmp_path, authority):
    good = certificate(tmp_path / "good", authority, "a.example")
    config = configured(tmp_path, "a.example", tls=good)
    certificates = Certificates(config)
    door = certificates.door(("xmpp-client",))
    old = certificates.pairs
    weak = tmp_path / "weak.pem"
    weak.write_bytes(_weak())
    with pytest.raises(CertificateError, match="weak"):
        certificates.reload(configured(tmp_path, "a.example", tls=Tls(certificate=str(weak), key=str(weak))))
    assert certificates.pairs is old
    door.channel()


def _weak() -> bytes:
    """A certificate with a key that OpenSSL finds too small."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)


# Which certificates a CA is asked for.


def test_each_host_has_one_with_the_services_below_it(tmp_path):
    irc = Component(domains=("irc.a.example", "irc.b.example", "gateway.example"), secret="geheim")
    config = configured(tmp_path, "a.example", "b.example", tls=Tls(acme=ACME), components=(irc,))
    found = {order.path.name: (order.names, order.wanted) for order in orders(config)}
    assert found == {
        "a.example.pem": (("a.example",), ("conference.a.example", "irc.a.example")),
        "b.example.pem": (("b.example",), ("conference.b.example", "irc.b.example")),
        "gateway.example.pem": (("gateway.example",), ()),
    }


def test_names_of_this_machine_and_those_with_a_certificate_of_their_own_have_none(tmp_path, authority):
    own = of(certificate(tmp_path, authority, "b.example"))
    tls = Tls(acme=ACME, domains={"b.example": own})
    config = configured(tmp_path, "localhost", "192.0.2.1", "xmpp.local", "b.example", "münchen.example", tls=tls)
    assert [order.names for order in orders(config)] == [("xn--mnchen-3ya.example",)]


def test_chosen_names_are_all_demanded(tmp_path):
    acme = Acme(enabled=True, terms_agreed=True, domains=("a.example", "proxy.a.example"))
    config = configured(tmp_path, "a.example", "b.example", tls=Tls(acme=acme))
    assert [(order.names, order.wanted) for order in orders(config)] == [(("a.example", "proxy.a.example"), ())]


def test_until_the_ca_has_issued_there_is_one_of_our_own(tmp_path):
    config = configured(tmp_path, "a.example", "localhost", tls=Tls(acme=ACME))
    (first, second) = key_pairs(config)
    assert first.is_self_signed
    assert first.source == str(tmp_path / "acme" / "a.example.pem")
    assert first.names.covers("conference.a.example")
    assert second.names.hosts == ("localhost", "*.localhost")
    assert Path(first.source).stat().st_mode & 0o777 == 0o600


def test_a_file_of_the_cas_that_is_broken_keeps_nobody_from_starting(tmp_path):
    config = configured(tmp_path, "a.example", tls=Tls(acme=ACME))
    (pair,) = key_pairs(config)
    Path(pair.source).write_bytes(b"-----BEGIN")
    (again,) = key_pairs(config)
    assert again.is_self_signed
    assert (tmp_path / "acme" / "a.example.broken").read_bytes() == b"-----BEGIN"


def test_components_have_the_certificate_of_the_domain_above(tmp_path, authority):
    one = certificate(tmp_path, authority, "a.example")
    config = configured(tmp_path, "a.example", tls=Tls(certificate="all", key="key", domains={"a.example": of(one)}))
    assert files_for(config, "upload.a.example") == (one.certificate, one.key)
    assert files_for(config, "upload.b.example") == ("all", "key")
    made = str(tmp_path / "tls" / "self-signed.pem")
    assert files_for(configured(tmp_path, "a.example", tls=Tls()), "upload.a.example") == (made, made)
    upload = Component(domains=("upload.a.example",), run=("xmpp-files",))
    issued = configured(tmp_path, "a.example", tls=Tls(acme=ACME), components=(upload,))
    path = str(tmp_path / "acme" / "a.example.pem")
    assert files_for(issued, "upload.a.example") == (path, path)
