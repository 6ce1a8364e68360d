"""Odd certificates in real handshakes: who is offered EXTERNAL for them, and who else is served meanwhile."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests import federation
from tests.app import live_server
from tests.net.authority import CLIENT, CODE, SERVER, Authority, name, other, pem
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S

DOMAIN, OURS = "a.example", "ours.example"
XMPP_ADDR = "1.3.6.1.5.5.7.8.5"
HEADER = (
    f"<?xml version='1.0'?><stream:stream from='{DOMAIN}' to='{OURS}' version='1.0' xmlns='jabber:server' "
    "xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>"
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def server(tmp_path: Path, authority: Authority) -> AsyncIterator[Server]:
    trust = tmp_path / "ca.pem"
    trust.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    config = federation.settings(tmp_path, OURS, S2S(trust=str(trust)))
    async with live_server.running(config) as running:
        yield running


async def mechanisms(server: Server, tmp_path: Path, chain: tuple[bytes, ...]) -> list[str]:
    """Connect with a certificate; return what is offered."""
    path = tmp_path / "peer.pem"
    path.write_bytes(pem(chain))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(path)
    host, _, port = federation.door(server, "s2s_tls").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, limit=1 << 20)
    try:
        writer.write(HEADER.encode())
        async with asyncio.timeout(5):
            data = await reader.readuntil(b"</stream:features>")
        tree = ET.fromstring(data + b"</stream:stream>")
        return [str(each.text) for each in tree.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")]
    finally:
        writer.close()


def company(authority: Authority) -> Authority:
    """May issue for another domain only."""
    return Authority(authority, constraints=x509.NameConstraints([name("b.example")], None))


def deep(authority: Authority, depth: int) -> Authority:
    for number in range(depth):
        authority = Authority(authority, common_name=f"CA {number}")
    return authority


async def test_proper_ones(server, tmp_path, authority):
    """Public CAs issue for serverAuth alone, and so the connecting side shows such a certificate, too."""
    for usages in ([SERVER], [CLIENT], [SERVER, CLIENT], None):
        assert await mechanisms(server, tmp_path, authority.issue(name(DOMAIN), usages=usages)) == ["EXTERNAL"]
    assert await mechanisms(server, tmp_path, authority.issue(other(XMPP_ADDR, 0x0C, DOMAIN))) == ["EXTERNAL"]
    assert await mechanisms(server, tmp_path, deep(authority, 7).issue(name(DOMAIN))) == ["EXTERNAL"]


async def test_odd_ones(server, tmp_path, authority):
    odd = [
        authority.issue(name(f"{DOMAIN}\0.evil.test")),
        authority.issue(name("*.*")),
        authority.issue(name(DOMAIN), usages=[CODE]),
        authority.issue(other(XMPP_ADDR, 0x0C, f"{DOMAIN}\0")),
        company(authority).issue(name(DOMAIN)),
        company(authority).issue(other(XMPP_ADDR, 0x0C, DOMAIN)),
        deep(authority, 11).issue(name(DOMAIN)),
        Authority().issue(name(DOMAIN)),
    ]
    for chain in odd:
        assert await mechanisms(server, tmp_path, chain) == []


async def test_a_certificate_that_is_too_large(server, tmp_path, authority):
    """The handshake ends; others are served as before."""
    huge = authority.issue(name(DOMAIN), *[name(f"x{number}.example") for number in range(20_000)])
    assert len(huge[0]) > 200_000
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await mechanisms(server, tmp_path, huge)
    assert await mechanisms(server, tmp_path, authority.issue(name(DOMAIN))) == ["EXTERNAL"]
