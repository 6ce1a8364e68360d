"""What the servers of the benchmark show each other must prove their domains, or dialback would be measured."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.certificates import make_authority, write_certificate
from xmpp_server.net.peer_trust import PeerTrust


def test_the_authority_is_believed(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority.pem")
    path, _ = write_certificate(tmp_path, "one.example", authority)
    trust = PeerTrust.load(tmp_path / "authority.pem", system=False)
    chain = [x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)]
    assert trust.proves(chain, "one.example")
    assert not trust.proves(chain, "two.example")
