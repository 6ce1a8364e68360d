"""`check tls`: each mistake in certificates, keys and their files by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.federation import trusted
from xmpp_server.app.acme.memory import Memory
from xmpp_server.app.acme.plan import folder_of, orders
from xmpp_server.app.certificates import key_pairs
from xmpp_server.app.finding import Finding, Level
from xmpp_server.app.settings import S2S, Acme, Component, Config, DomainTls, Tls
from xmpp_server.app.tls_check import check_tls
from xmpp_server.net.self_signed import ensure_self_signed

HOST, ROOMS = "example.test", "conference.example.test"
OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture(scope="module")
def middle(authority: trustme.CA) -> trustme.CA:
    return authority.create_child_ca()


class Folder:
    """A folder with a certificate and its key, of a CA that is trusted."""

    def __init__(self, path: Path, authority: trustme.CA, middle: trustme.CA) -> None:
        self.path = path
        self.trust = trusted(path, authority)
        self._middle = middle
        self.root = authority.cert_pem.bytes()
        self.issue(HOST, ROOMS)

    def issue(self, *names: str, not_before: datetime | None = None, not_after: datetime | None = None) -> None:
        made = self._middle.issue_cert(
            *names, key_type=trustme.KeyType.ECDSA, not_before=not_before, not_after=not_after
        )
        self.chain = [blob.bytes() for blob in made.cert_chain_pems]
        self.write(made.private_key_pem.bytes())

    def write(self, key: bytes | None = None, *chain: bytes) -> None:
        (self.path / "fullchain.pem").write_bytes(b"".join(chain or self.chain))
        if key is not None:
            (self.path / "privkey.pem").write_bytes(key)
            (self.path / "privkey.pem").chmod(0o640)

    def config(self, *domains: str, **tls: object) -> Config:
        files = {"certificate": str(self.path / "fullchain.pem"), "key": str(self.path / "privkey.pem"), **tls}
        return Config(
            domains=domains or (HOST,),
            data_dir=str(self.path / "data"),
            tls=Tls(**files),  # type: ignore[arg-type]  # the keys vary
            s2s=S2S(trust=self.trust),
        )


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA, middle: trustme.CA) -> Folder:
    return Folder(tmp_path, authority, middle)


async def findings(config: Config) -> list[Finding]:
    return [finding async for finding in check_tls(config)]


async def problem(config: Config) -> tuple[Level, str]:
    """Return the only thing that is wrong."""
    (found,) = [finding for finding in await findings(config) if finding.level is not OK]
    assert found.remedy
    return found.level, found.text


def self_made(key: Key, *names: str, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH) -> bytes:
    """Make a certificate that its own key has signed, with the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=1), NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)


async def test_all_is_well(folder):
    found = await findings(folder.config())
    assert [finding.level for finding in found] == [OK, OK]
    assert found[0].text.endswith(f"for {HOST}, {ROOMS}")
    assert "its doors were not tried" in found[1].text


async def test_dates(folder):
    folder.issue(HOST, ROOMS, not_before=NOW - timedelta(days=90), not_after=NOW - timedelta(days=2))
    level, text = await problem(folder.config())
    assert (level, text.endswith("expired 2 days ago")) == (ERROR, True)
    folder.issue(HOST, ROOMS, not_before=NOW - timedelta(days=80), not_after=NOW + timedelta(days=9, hours=5))
    level, text = await problem(folder.config())
    assert (level, text.endswith("expires in 9 days")) == (WARNING, True)
    folder.issue(HOST, ROOMS, not_before=NOW - timedelta(days=2), not_after=NOW + timedelta(days=4, hours=5))
    assert {finding.level for finding in await findings(folder.config())} == {OK}  # it lives for six days
    folder.issue(HOST, ROOMS, not_before=NOW + timedelta(days=3), not_after=NOW + timedelta(days=90))
    found = await findings(folder.config())
    assert f"begins on {NOW + timedelta(days=3):%Y-%m-%d}" in found[0].text


async def test_names_of_hosts_rooms_and_components(folder):
    level, text = await problem(folder.config(HOST, "other.test"))
    assert (level, text) == (ERROR, "no certificate is for other.test")
    folder.issue(HOST)
    level, text = await problem(folder.config())
    assert (level, text.partition(":")[0]) == (WARNING, f"no certificate is for {ROOMS}")
    folder.issue(HOST, f"*.{HOST}")
    irc = Component(domains=(f"irc.{HOST}", f"a.b.{HOST}"), secret="geheim")
    config = msgspec.structs.replace(folder.config(), components=(irc,))
    text = f"no certificate is for a.b.{HOST}: other servers do not believe it"
    assert await problem(config) == (WARNING, text)


async def test_a_chain_without_its_middle(folder):
    folder.write(None, folder.chain[0])
    level, text = await problem(folder.config())
    assert level is ERROR
    assert "comes without the certificate of its issuer" in text


async def test_a_chain_in_the_wrong_order(folder):
    folder.write(None, folder.chain[0], folder.root, folder.chain[1])
    level, text = await problem(folder.config())
    assert level is ERROR
    assert "but has not issued it" in text


async def test_a_chain_with_its_root(folder):
    folder.write(None, *folder.chain, folder.root)
    level, text = await problem(folder.config())
    assert (level, "root stands in the chain" in text) == (WARNING, True)


async def test_a_ca_that_this_machine_does_not_know(folder):
    folder.trust = ""
    level, text = await problem(folder.config())
    assert (level, "which this machine does not trust" in text) == (WARNING, True)


async def test_files(folder, tmp_path):
    key = tmp_path / "privkey.pem"
    key.chmod(0o644)
    assert await problem(folder.config()) == (ERROR, f"{key} can be read by everybody on this machine")
    key.chmod(0o660)
    assert await problem(folder.config()) == (WARNING, f"{key} can be written by its group")
    other = ec.generate_private_key(ec.SECP256R1())
    folder.write(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    found = await findings(folder.config())
    assert "is not the key of the first certificate" in found[0].text
    key.unlink()
    found = await findings(folder.config())
    assert found[0].text == f"{key}: No such file or directory"


@pytest.mark.parametrize(
    ("key", "level", "text"),
    [
        (rsa.generate_private_key(65537, 1024), ERROR, "an RSA key of 1024 bits"),
        (ed25519.Ed25519PrivateKey.generate(), WARNING, "a key that many clients do not know"),
        (ec.generate_private_key(ec.SECP256K1()), WARNING, "a key on secp256k1"),
    ],
)
async def test_keys(tmp_path, key, level, text):
    path = tmp_path / "pair.pem"
    path.write_bytes(self_made(key, "localhost"))
    path.chmod(0o600)
    config = Config(data_dir=str(tmp_path), tls=Tls(certificate=str(path), key=str(path)))
    found = await problem(config)
    assert (found[0], text in found[1]) == (level, True)


async def test_a_certificate_for_something_else(tmp_path):
    path = tmp_path / "pair.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(self_made(key, "localhost", usage=ExtendedKeyUsageOID.CODE_SIGNING))
    path.chmod(0o600)
    config = Config(data_dir=str(tmp_path), tls=Tls(certificate=str(path), key=str(path)))
    level, text = await problem(config)
    assert (level, "is not for servers" in text) == (ERROR, True)


async def test_a_domains_own_certificate_must_name_it(folder):
    own = DomainTls(certificate=str(folder.path / "fullchain.pem"), key=str(folder.path / "privkey.pem"))
    config = folder.config(HOST, "other.test", domains={"other.test": own})
    first = next(each for each in await findings(config) if each.level is ERROR)
    assert first.text.endswith("is not for other.test")


async def test_self_signed_is_good_for_this_machine_only(tmp_path):
    local = Config(data_dir=str(tmp_path))
    assert {finding.level for finding in await findings(local)} == {OK}
    ensure_self_signed(tmp_path / "tls", ["localhost", "example.test"])
    assert {finding.level for finding in await findings(local)} == {OK}
    public = Config(domains=(HOST,), data_dir=str(tmp_path / "new"), s2s=S2S(enabled=False))
    assert (await problem(public))[1].endswith("which nobody else believes")
    ensure_self_signed(tmp_path / "new" / "tls", [HOST])
    assert "is self-signed" in (await problem(public))[1]


async def test_what_a_ca_has_said_last(tmp_path, monkeypatch):
    acme = Acme(enabled=True, terms_agreed=True)
    config = Config(domains=(HOST,), data_dir=str(tmp_path), tls=Tls(acme=acme), s2s=S2S(enabled=False))
    key_pairs(config)  # as the server does at its start
    texts = [each.text for each in await findings(config) if each.level is WARNING]
    assert texts[0].endswith("is self-signed: clients warn of it, other servers do not believe it")
    assert texts[1] == f"{HOST}: no CA was asked yet"
    (order,) = orders(config)
    memory = Memory(folder_of(config))
    for _ in range(2):
        memory.failed(str(order.path), "nobody at home")
    (found,) = [each for each in await findings(config) if each.level is ERROR]
    assert "has not issued, 2 times in a row" in found.text
    assert found.text.endswith("nobody at home")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "tls.acme needs packages that are missing" in [each.text for each in await findings(config)]
