"""`check dns`: a domain's own POSH document, and the certificate that the server shows."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding

from tests.federated_peers import DnsServer
from tests.federation import certificate
from xmpp_server.app.dns_check import check_dns
from xmpp_server.app.finding import Level
from xmpp_server.app.posh_check import check_posh
from xmpp_server.app.settings import S2S, Config, Dns, Tls
from xmpp_server.net.certificates import KeyPair, load_key_pair
from xmpp_server.net.posh import PATH, Posh
from xmpp_server.net.posh_document import PoshError

HOST = "example.test"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return certificate(tmp_path, trustme.CA(), HOST)


@pytest.fixture
def pair(tls: Tls) -> KeyPair:
    return load_key_pair(Path(tls.certificate))


def document(der: bytes) -> bytes:
    fingerprint = base64.b64encode(hashlib.sha256(der).digest()).decode()
    return json.dumps({"fingerprints": [{"sha-256": fingerprint}], "expires": 3600}).encode()


@pytest.mark.parametrize(
    ("others", "level", "text"),
    [(False, Level.OK, " names "), (True, Level.ERROR, " does not name "), (None, Level.OK, "has no fingerprints")],
)
async def test_a_document_and_the_certificate(pair, others, level, text):
    async def get(url: str) -> bytes:
        assert url == f"https://{HOST}{PATH}"
        if others is None:
            raise PoshError("status 404")
        return document(b"another" if others else pair.chain[0].public_bytes(Encoding.DER))

    found = await check_posh(Posh(lambda: get, now=lambda: 0.0), HOST, pair)
    assert (found.level, text in found.text) == (level, True)


async def test_it_is_part_of_the_check_where_posh_is_used(tmp_path, tls):
    """The domain's web server is looked for, and there is none."""
    names = DnsServer()
    try:
        s2s = S2S(posh=True, dns=Dns(nameservers=(f"127.0.0.1:{names.port}",)))
        config = Config(domains=(HOST,), data_dir=str(tmp_path), tls=tls, s2s=s2s)
        texts = [finding.text async for finding in check_dns(config)]
        assert any("has no fingerprints" in text for text in texts)
        without = msgspec.structs.replace(config, s2s=msgspec.structs.replace(s2s, posh=False))
        assert not any("fingerprints" in finding.text for finding in [each async for each in check_dns(without)])
    finally:
        names.close()
