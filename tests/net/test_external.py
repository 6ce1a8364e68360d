"""SASL EXTERNAL with a client certificate (XEP-0178 §2), over sockets."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.app.live_server import door, running, settings
from tests.raw import SASL, RawClient
from xmpp_server.app.settings import Auth

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority for clients."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Clients")])
        ca = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = self._builder(self.name, self.key).add_extension(ca, True).add_extension(usage, True)
        self.certificate = builder.add_extension(identifier, False).sign(self.key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )

    def issue(self, folder: Path, address: str) -> Path:
        """Write a certificate for a JID, with its key, into one PEM file."""
        key = ec.generate_private_key(ec.SECP256R1())
        encoded = address.encode()
        other = x509.OtherName(XMPP_ADDR, b"\x0c" + bytes([len(encoded)]) + encoded)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            # A name that looks like somebody else counts for nothing.
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CN=admin@localhost,")]), key)
            .add_extension(x509.SubjectAlternativeName([other]), False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
            .add_extension(identifier, False)
            .sign(self.key, hashes.SHA256())
        )
        path = folder / f"{address}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return path


async def connect(address: tuple[str, int], certificate: Path | None) -> RawClient:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    return RawClient(*await asyncio.open_connection(*address, ssl=context))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    return authority


@pytest.mark.parametrize("authzid", ["=", "cm9tZW9AbG9jYWxob3N0"])
async def test_a_certificate_of_a_trusted_authority(tmp_path: Path, authority: Authority, authzid: str) -> None:
    config = settings(tmp_path, auth=Auth(client_ca=str(tmp_path / "ca.pem")))
    async with (
        running(config, "romeo") as server,
        await connect(door(server, "c2s_tls"), authority.issue(tmp_path, "romeo@localhost")) as client,
    ):
        features = await client.open()
        assert next(features.iter(SASL + "mechanism")).text == "EXTERNAL"
        client.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='EXTERNAL'>{authzid}</auth>")
        assert (await client.read()).tag == SASL + "success"
        await client.open()
        await client.bind("r")
        assert client.jid == "romeo@localhost/r"


@pytest.mark.parametrize(
    ("address", "authzid"),
    [
        ("nobody@localhost", "="),
        ("romeo@elsewhere.example", "="),
        ("romeo@localhost", "anVsaWV0QGxvY2FsaG9zdA=="),
    ],
)
async def test_a_certificate_for_somebody_else(
    tmp_path: Path, authority: Authority, address: str, authzid: str
) -> None:
    config = settings(tmp_path, auth=Auth(client_ca=str(tmp_path / "ca.pem")))
    async with (
        running(config, "romeo", "juliet") as server,
        await connect(door(server, "c2s_tls"), authority.issue(tmp_path, address)) as client,
    ):
        await client.open()
        client.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='EXTERNAL'>{authzid}</auth>")
        assert (await client.read()).tag == SASL + "failure"


async def test_a_certificate_of_a_stranger_or_none(tmp_path: Path, authority: Authority) -> None:
    config = settings(tmp_path, auth=Auth(client_ca=str(tmp_path / "ca.pem")))
    strange = Authority().issue(tmp_path, "romeo@localhost")
    async with running(config, "romeo") as server:
        async with await connect(door(server, "c2s_tls"), strange) as client:
            await client.open()
            client.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='EXTERNAL'>=</auth>")
            assert (await client.read()).tag == SASL + "failure"
        async with await connect(door(server, "c2s_tls"), None) as client:
            features = await client.open()
            assert "EXTERNAL" not in [element.text for element in features.iter(SASL + "mechanism")]
