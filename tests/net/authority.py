"""A CA that signs anything, for certificates that no proper CA would issue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = datetime.now(UTC)
#: Of all leaves.
KEY = ec.generate_private_key(ec.SECP256R1())
SERVER, CLIENT, CODE = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
)
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
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
    """A CA; with an issuer it stands below that one."""

    def __init__(
        self,
        issuer: Authority | None = None,
        *,
        constraints: x509.NameConstraints | None = None,
        path_length: int | None = None,
        common_name: str = "Test CA",
    ) -> None:
        self.issuer = issuer
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        signer = issuer or self
        made = (
            builder(self.name, signer.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(SIGNS, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if constraints is not None:
            made = made.add_extension(constraints, critical=True)
        self.certificate = made.sign(signer.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def above(self) -> tuple[bytes, ...]:
        """What a chain bears behind the leaf: this CA and those above it, but not the root."""
        return () if self.issuer is None else (self.der, *self.issuer.above)

    def issue(
        self,
        *names: x509.GeneralName,
        usages: Sequence[ObjectIdentifier] | None = (SERVER,),
        start: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=30),
        common_name: str = "a.example",
    ) -> tuple[bytes, ...]:
        """Return a chain as DER, without the root."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        made = builder(subject, self.name, KEY.public_key(), start, end)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages is not None:
            made = made.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return (made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER), *self.above)

    def forge(self, chain: Sequence[bytes], old: bytes, new: bytes) -> tuple[bytes, ...]:
        """Put other bytes of the same length into a leaf, and sign it again: what no builder would make."""
        body = x509.load_der_x509_certificate(chain[0]).tbs_certificate_bytes
        assert old in body
        assert len(old) == len(new)
        body = body.replace(old, new)
        signature = self.key.sign(body, ec.ECDSA(hashes.SHA256()))
        return (_der(0x30, body + ECDSA_WITH_SHA256 + _der(0x03, b"\0" + signature)), *chain[1:])


def _der(der_tag: int, value: bytes) -> bytes:
    size = len(value)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([der_tag]) + length + value


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
    """An otherName: a string of DER, in the short form."""
    data = text.encode()
    return x509.OtherName(ObjectIdentifier(oid), bytes([der_tag, len(data)]) + data)


def name(text: str) -> x509.DNSName:
    return x509.DNSName(text)


def pem(chain: Sequence[bytes]) -> bytes:
    """A chain of leaves' with its key, as servers read it."""
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain)
