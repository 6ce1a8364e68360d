"""RFC 5929 §4, XEP-0440."""

import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from xmpp_server.sasl import channel_binding
from xmpp_server.sasl.channel_binding import advertised, server_end_point

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def certificate(key: Key, algorithm: hashes.SHA256 | hashes.SHA384 | None) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.org")])
    now = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def with_signature(der: bytes, oid: x509.ObjectIdentifier) -> bytes:
    """Claim another ECDSA hash of the same length of name: nobody checks the signature here."""
    encoded = {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256: bytes.fromhex("06082a8648ce3d040302"),
        x509.ObjectIdentifier("1.2.840.10045.4.3.9"): bytes.fromhex("06082a8648ce3d040309"),
    }
    return der.replace(encoded[SignatureAlgorithmOID.ECDSA_WITH_SHA256], encoded[oid])


def test_the_hash_of_the_signature() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = certificate(key, hashes.SHA256())
    assert server_end_point(x509.load_der_x509_certificate(der)) == hashlib.sha256(der).digest()
    der = certificate(key, hashes.SHA384())
    assert server_end_point(x509.load_der_x509_certificate(der)) == hashlib.sha384(der).digest()


def test_a_weak_hash_is_replaced() -> None:
    der = bytes.fromhex(OLD_SHA1)
    assert server_end_point(x509.load_der_x509_certificate(der)) == hashlib.sha256(der).digest()


def test_undefined_without_a_single_hash() -> None:
    assert (
        server_end_point(x509.load_der_x509_certificate(certificate(ed25519.Ed25519PrivateKey.generate(), None)))
        is None
    )


def test_undefined_for_an_unknown_algorithm() -> None:
    der = certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    assert (
        server_end_point(
            x509.load_der_x509_certificate(with_signature(der, x509.ObjectIdentifier("1.2.840.10045.4.3.9")))
        )
        is None
    )


def test_types_are_announced_only_for_plus() -> None:
    available = ["tls-server-end-point", "tls-exporter"]
    assert advertised(["SCRAM-SHA-1-PLUS", "PLAIN"], available) == ("tls-exporter", "tls-server-end-point")
    assert advertised(["SCRAM-SHA-1", "PLAIN"], available) == ()


def test_rfc_9266_constants() -> None:
    assert channel_binding.EXPORTER_LABEL == b"EXPORTER-Channel-Binding"
    assert channel_binding.EXPORTER_BYTES == 32


#: Self-signed, ecdsa-with-SHA1; current libraries read such a certificate but make none.
OLD_SHA1 = (
    "3082016a30820112a0030201020214174ae00dc6f787fabe8d18c9a60a1187d367d1dc300906072a8648ce3d0401300c"
    "310a300806035504030c0161301e170d3236313132333133323331325a170d3236313132343133323331325a300c310a"
    "300806035504030c01613059301306072a8648ce3d020106082a8648ce3d030107034200042abdf9e8841b1297f2d9d2"
    "c3a7cf0326032be4f8d5b45f630499617173abedd8d91ca889561126aeac9d7e2bb3f6965c9b45d2f0e2dd943472418c"
    "5539113d65a3533051301d0603551d0e0416041490f8ef91b0c1ff561ec739b9f558a74f93d075dc301f0603551d2304"
    "183016801490f8ef91b0c1ff561ec739b9f558a74f93d075dc300f0603551d130101ff040530030101ff300906072a86"
    "48ce3d040103470030440220660f5f756a5f1766dc7040ed0d942c0a1d29635f5ef1e9a9ad508a33170f89fc02203b8b"
    "835a8ed90737490f2d1536ba7afefff73357810485405f3b59134a0e9529"
)
