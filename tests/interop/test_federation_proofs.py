"""Prosody and ejabberd with certificates that no CA knows: DNSSEC or the domain's web server vouches for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests import federation
from tests.federated_peers import DnsServer
from tests.interop.test_federation import KINDS, Site, chat, ours, peer_login
from tests.net.test_s2s_proofs import says, tlsa, web_server
from tests.raw import RawClient
from xmpp_server.app.settings import S2S
from xmpp_server.net.s2s_incoming import Incoming
from xmpp_server.net.s2s_outgoing import Outgoing


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    """A nameserver that says that it has validated everything."""
    server = DnsServer()
    server.validates = True
    yield server
    server.close()


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def site(request, tmp_path_factory, names) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("unsigned")
    one = Site(request.param, folder, names, trustme.CA(), signed=False)
    yield one
    one.peer.stop()


@pytest.fixture
def certificate(site: Site) -> bytes:
    """The peer's, as DER."""
    return x509.load_pem_x509_certificate(site.peer.certificate.read_bytes()).public_bytes(Encoding.DER)


def trusted(server) -> tuple[set[bool], set[str]]:
    """Whether the peer's certificate has proven it where we connect, and how it has proven itself where it does."""
    links = server.federating.federation.links
    return (
        {link.stream.trusted for link in links if isinstance(link, Outgoing)},
        {link.method for link in links if isinstance(link, Incoming)},
    )


async def talk(site: Site, server) -> tuple[RawClient, RawClient]:
    """Two say hello, and are there until they are let go."""
    romeo, juliet = await federation.login(server, "romeo"), await peer_login(site.peer)
    await chat(romeo, juliet, "hi")
    await chat(juliet, romeo, "hello")
    outgoing, incoming = trusted(server)
    assert outgoing == {True}
    assert incoming <= {"EXTERNAL"}  # Prosody takes one link for both directions
    return romeo, juliet


async def test_dnssec_vouches_for_a_peer(site, names, certificate, tmp_path):
    """RFC 7673: without any CA, and without dialback on our side."""
    names.records[f"_{site.peer.s2s}._tcp.{site.peer.domain}", "TLSA"] = [tlsa(certificate)]
    async with ours(tmp_path, names, S2S(verify="certificate", dane=True), None) as server:
        clients = await talk(site, server)
        assert len(clients) == 2


async def test_dnssec_names_another_certificate(site, names, tmp_path):
    names.records[f"_{site.peer.s2s}._tcp.{site.peer.domain}", "TLSA"] = ["3 1 1 " + "00" * 32]
    async with ours(tmp_path, names, S2S(dane=True), None) as server:
        romeo, juliet = await federation.login(server, "romeo"), await peer_login(site.peer)
        romeo.send(f"<message to='{juliet.jid}' type='chat' id='x'><body>?</body></message>")
        error = await romeo.until(lambda element: element.get("id") == "x", 30)
        assert error.find(".//{*}remote-server-timeout") is not None


async def test_a_web_server_vouches_for_a_peer(site, names, certificate, tmp_path: Path):
    """RFC 7711."""
    names.records.pop((f"_{site.peer.s2s}._tcp.{site.peer.domain}", "TLSA"), None)
    authority = trustme.CA()
    only = S2S(verify="certificate", posh=True, trust=federation.trusted(tmp_path, authority))
    async with contextlib.AsyncExitStack() as stack:
        page = web_server(site.peer.host, site.peer.domain, says(certificate), authority)
        port = await stack.enter_async_context(page)
        server = await stack.enter_async_context(ours(tmp_path, names, only, None))
        server.federating.federation.judge._posh._port = port  # as 443 is not for everybody to listen at
        clients = await talk(site, server)
        assert len(clients) == 2
