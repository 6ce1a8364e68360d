"""Two real servers whose certificates no CA vouches for: DNSSEC does, or web servers do, or nobody."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import federation
from tests.app.live_server import running
from tests.federated_peers import DnsServer
from tests.ports import free_ports
from tests.raw import CLIENT, RawClient, abort_all
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Dns, Tls
from xmpp_server.net.peer_trust import Standing
from xmpp_server.net.posh import PATH
from xmpp_server.net.s2s_outgoing import Outgoing

A, B = "a.test", "b.test"
HOSTS = {A: "127.0.3.1", B: "127.0.3.2"}


def own_certificate(folder: Path, *names: str) -> tuple[Tls, bytes]:
    """One that only its own CA, which nobody knows, vouches for; with its DER."""
    tls = federation.certificate(folder, trustme.CA(key_type=trustme.KeyType.ECDSA), *names)
    leaf = x509.load_pem_x509_certificate(Path(tls.certificate).read_bytes())
    return tls, leaf.public_bytes(Encoding.DER)


def tlsa(certificate: bytes, usage: int = 3) -> str:
    """A record of the certificate's key."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return (
        f"{usage} 1 1 " + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    )


@dataclass
class Two:
    """Two servers, with the doors and certificates of each by its domain."""

    servers: dict[str, Server]
    ports: dict[str, int]
    certificates: dict[str, bytes]
    names: DnsServer

    def publish(self, domain: str, record: str) -> None:
        """Say in DNS what the certificate of a domain is."""
        self.names.records[f"_{self.ports[domain]}._tcp.{domain}", "TLSA"] = [record]

    async def clients(self) -> tuple[RawClient, RawClient]:
        return await federation.login(self.servers[A], "romeo"), await federation.login(self.servers[B], "juliet")

    def methods(self) -> set[tuple[str, str]]:
        """Direction and method of all links that are there."""
        links = [link for server in self.servers.values() for link in server.federating.federation.links]
        return {("out" if isinstance(link, Outgoing) else "in", link.method) for link in links}


@contextlib.asynccontextmanager
async def two(tmp_path: Path, names: DnsServer, s2s: S2S, *, direct: bool = False) -> AsyncIterator[Two]:
    """Run a.test and b.test, which find each other in DNS."""
    names.validates = True
    made = Two({}, {}, {}, names)
    async with contextlib.AsyncExitStack() as stack:
        for domain, host in HOSTS.items():
            [port] = free_ports(1, host)
            names.server(domain, host, None if direct else port, port if direct else None)
            tls, made.certificates[domain] = own_certificate(tmp_path / domain, domain, f"*.{domain}")
            made.ports[domain] = port
            door = "s2s_tls" if direct else "s2s"
            own = S2S(
                verify=s2s.verify,
                dane=s2s.dane,
                posh=s2s.posh,
                trust=s2s.trust,
                require_tls=s2s.require_tls,
                dns=Dns(nameservers=(f"127.0.0.1:{names.port}",)),
            )
            config = federation.settings(tmp_path / domain, domain, own, tls=tls, listen={door: (f"{host}:{port}",)})
            made.servers[domain] = await stack.enter_async_context(running(config, "romeo", "juliet"))
        stack.push_async_callback(abort_all)
        yield made


async def chat(one: RawClient, other: RawClient, text: str) -> None:
    one.send(f"<message to='{other.jid}' type='chat' id='{text}'><body>{text}</body></message>")
    heard = await other.until(lambda element: element.tag == CLIENT + "message")
    assert (heard.get("from"), heard.findtext(CLIENT + "body")) == (one.jid, text)


async def refused(one: RawClient, other: RawClient) -> None:
    """One hears that the other cannot be reached."""
    one.send(f"<message to='{other.jid}' type='chat' id='refused'><body>?</body></message>")
    error = await one.until(lambda element: element.get("id") == "refused", 30)
    assert error.get("type") == "error"
    assert error.find(".//{*}remote-server-timeout") is not None


@pytest.mark.parametrize("direct", [False, True])
async def test_dnssec_vouches_for_both(tmp_path, names, direct):
    """RFC 7673: certificates of nobody, believed in both directions."""
    async with two(tmp_path, names, S2S(verify="certificate", dane=True), direct=direct) as servers:
        for domain, certificate in servers.certificates.items():
            servers.publish(domain, tlsa(certificate))
        romeo, juliet = await servers.clients()
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert {method for _, method in servers.methods()} == {"EXTERNAL"}


async def test_records_that_are_not_signed_count_for_nothing(tmp_path, names):
    async with two(tmp_path, names, S2S(verify="certificate", dane=True)) as servers:
        for domain, certificate in servers.certificates.items():
            servers.publish(domain, tlsa(certificate))
            names.unsigned.add(f"_{servers.ports[domain]}._tcp.{domain}")
        romeo, juliet = await servers.clients()
        await refused(romeo, juliet)


async def test_a_nameserver_that_nobody_has_called_trusted(tmp_path, names):
    async with two(tmp_path, names, S2S(verify="certificate")) as servers:
        for domain, certificate in servers.certificates.items():
            servers.publish(domain, tlsa(certificate))
        romeo, juliet = await servers.clients()
        await refused(romeo, juliet)


async def test_another_certificate_than_the_one_in_dns(tmp_path, names):
    """Not even dialback makes up for that: somebody stands between us."""
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        servers.publish(A, tlsa(servers.certificates[A]))
        servers.publish(B, tlsa(servers.certificates[A]))
        romeo, juliet = await servers.clients()
        await refused(romeo, juliet)


async def test_a_caller_with_another_certificate_than_the_one_in_dns(tmp_path, names):
    """It is not believed by it; dialback leads to the server that DNS names, and with the same record to a refusal."""
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        servers.publish(A, tlsa(servers.certificates[B]))
        servers.publish(B, tlsa(servers.certificates[B]))
        romeo, juliet = await servers.clients()
        await refused(romeo, juliet)


async def test_a_caller_that_dnssec_refutes_hears_nothing_on_its_own_link(tmp_path, names):
    """Dialback may believe it, for it may call from elsewhere; but what is sent to it goes where DNSSEC says."""
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        servers.publish(B, tlsa(servers.certificates[B]))
        judge = servers.servers[B].federating.federation.judge
        romeo, juliet = await servers.clients()

        async def refuted(chain: object, domain: str) -> Standing:
            return Standing.REFUSED

        judge.judge_client = refuted
        await chat(romeo, juliet, "hi")
        [incoming] = servers.servers[B].federating.federation.links
        assert incoming.method == "dialback"
        await chat(juliet, romeo, "hello")
        assert len(servers.servers[B].federating.federation.links) == 2


async def test_dialback_where_dnssec_is_silent(tmp_path, names):
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        romeo, juliet = await servers.clients()
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert {method for _, method in servers.methods()} == {"dialback"}


@pytest.mark.parametrize(("host", "shared"), [(B, True), ("other.test", False)])
async def test_a_stream_to_a_host_is_no_way_to_another_whose_certificate_is_not_there(tmp_path, names, host, shared):
    """XEP-0220 §2.6 on a stream that is there, but only where the records of DNSSEC are the same."""
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        servers.publish(B, tlsa(servers.certificates[B]))
        romeo, juliet = await servers.clients()
        await chat(romeo, juliet, "hi")
        port = servers.ports[B]
        names.records[f"_xmpp-server._tcp.conference.{B}", "SRV"] = [f"0 5 {port} {host}."]
        names.records["other.test", "A"] = [HOSTS[B]]
        names.records[f"_{port}._tcp.other.test", "TLSA"] = [tlsa(servers.certificates[A])]
        query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        answer = await romeo.iq(f"<iq type='get' id='i' to='conference.{B}'>{query}</iq>")
        assert answer.get("type") == ("result" if shared else "error")
        links = servers.servers[A].federating.federation.links
        assert len([link for link in links if isinstance(link, Outgoing)]) == 1


async def test_what_dnssec_refutes(tmp_path, names):
    """RFC 7673 §3.3: an answer that does not validate is no reason to go on without."""
    async with two(tmp_path, names, S2S(dane=True)) as servers:
        names.bogus = {f"_{servers.ports[B]}._tcp.{B}"}
        romeo, juliet = await servers.clients()
        await refused(romeo, juliet)


@contextlib.asynccontextmanager
async def web_server(host: str, domain: str, document: object, authority: trustme.CA) -> AsyncIterator[int]:
    """Serve a document over HTTPS; gives the port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(document), content_type="application/json")

    app = web.Application()
    app.router.add_get(PATH, answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(domain).configure_cert(context)
    await web.TCPSite(runner, host, 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def says(certificate: bytes) -> dict[str, object]:
    return {"fingerprints": [{"sha-256": b64encode(hashlib.sha256(certificate).digest()).decode()}], "expires": 60}


@pytest.mark.parametrize("right", [True, False])
async def test_web_servers_vouch_for_both(tmp_path, names, right):
    """RFC 7711: the hosting service has no certificate of the domain's name, but the domain names that certificate."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    only = S2S(verify="certificate", posh=True, trust=federation.trusted(tmp_path, authority))
    async with two(tmp_path, names, only) as servers, contextlib.AsyncExitStack() as stack:
        for domain, other in ((A, B), (B, A)):
            document = says(servers.certificates[domain if right else other])
            port = await stack.enter_async_context(web_server(HOSTS[domain], domain, document, authority))
            asking = servers.servers[other].federating.federation.judge._posh
            asking._port = port  # as 443 is not for everybody to listen at
        romeo, juliet = await servers.clients()
        if not right:
            await refused(romeo, juliet)
            return
        await chat(romeo, juliet, "hi")
        await chat(juliet, romeo, "hello")
        assert {method for _, method in servers.methods()} == {"EXTERNAL"}


async def test_no_web_server_is_asked_for_a_domain_without_a_service(tmp_path, names):
    """A stream's header alone does not make us knock at anybody's door."""
    async with two(tmp_path, names, S2S(posh=True)) as servers:
        names.records["victim.test", "A"] = ["127.0.3.9"]
        judge = servers.servers[A].federating.federation.judge
        assert not await judge._may_ask_web("victim.test")
        assert await judge._may_ask_web(B)
