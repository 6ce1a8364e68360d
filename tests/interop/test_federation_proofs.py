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
from tests.app.live_server import running
from tests.federated_peers import DnsServer, Prosody, need
from tests.interop.test_federation import KINDS, Site, chat, ours, peer_login
from tests.net.test_s2s_proofs import own_certificate, says, tlsa, web_server
from tests.ports import free_ports
from tests.raw import RawClient, abort_all
from tests.signed_names import unbound, zone
from xmpp_server.app.settings import S2S, Dns
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


class BelievingProsody(Prosody):
    """One that takes nobody without a certificate that it can prove, by DNSSEC of its own resolver."""

    anchors: Path

    def configure(self) -> None:
        super().configure()
        path = self.folder / "prosody.cfg.lua"
        own = f'use_dane = true\ns2s_secure_auth = true\nunbound = {{\n    trustfile = "{self.folder}/anchors";'
        path.write_text(path.read_text().replace("unbound = {", own))


async def test_dnssec_vouches_for_both_with_signed_zones(tmp_path):
    """Prosody asks unbound and validates by itself: nobody has a certificate of a CA, nobody speaks dialback."""
    need(Prosody)
    host = "127.0.2.200"
    [dns_port] = free_ports(1)
    [port] = free_ports(1, host)
    theirs_tls, theirs = own_certificate(tmp_path / "theirs", "theirs.dane.example")
    tls, mine = own_certificate(tmp_path / "mine", "mine.dane.example", "*.mine.dane.example")
    certificate = Path(theirs_tls.certificate)
    peer = BelievingProsody(tmp_path / "peer", "theirs.dane.example", host, dns_port, certificate, certificate)
    names = "dane.example"
    zones = {
        names: zone(
            names,
            f"""
mine A {host}
_xmpp-server._tcp.mine SRV 0 5 {port} mine
_{port}._tcp.mine TLSA {tlsa(mine)}
theirs A {host}
_xmpp-server._tcp.theirs SRV 0 5 {peer.s2s} theirs
_{peer.s2s}._tcp.theirs TLSA {tlsa(theirs)}
""",
            signed=True,
        )
    }
    (peer.folder / "anchors").write_text(zones[names].anchor + "\n")
    s2s = S2S(verify="certificate", dane=True, dns=Dns(nameservers=(f"127.0.0.1:{dns_port}",)))
    config = federation.settings(
        tmp_path / "ours", "mine.dane.example", s2s, tls=tls, listen={"s2s": (f"{host}:{port}",)}
    )
    with unbound(tmp_path / "unbound", dns_port, zones):
        peer.start()
        try:
            async with running(config, "romeo") as server:
                romeo, juliet = await federation.login(server, "romeo"), await peer_login(peer)
                await chat(juliet, romeo, "hi")  # Prosody holds against TLSA only where it connects itself
                await chat(romeo, juliet, "hello")
                [link] = server.federating.federation.links
                assert (link.method, link.names["direction"]) == ("EXTERNAL", "in")
                await abort_all()
        finally:
            peer.stop()
