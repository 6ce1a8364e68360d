"""Pages of a real web server, over TLS: its certificate, redirects, sizes, times, addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from socket import AF_INET

import pytest
import trustme
from aiohttp import web

from tests.federated_peers import DnsServer
from tests.net.conftest import Clock
from xmpp_server.net import posh_get
from xmpp_server.net.dns import Resolver
from xmpp_server.net.posh import PATH, Posh
from xmpp_server.net.posh_document import PoshError
from xmpp_server.net.posh_get import Getter, _Addresses


@pytest.fixture
async def site(authority: trustme.CA, names: DnsServer) -> AsyncIterator[int]:
    """The web server of a.example, with some pages; its port."""
    routes = web.RouteTableDef()

    @routes.get(PATH)
    async def document(request: web.Request) -> web.Response:
        assert "Cookie" not in request.headers
        return web.json_response(
            {"fingerprints": [{"sha-256": "YQ=="}], "expires": 60}, headers={"Set-Cookie": "a=b", "X": request.host}
        )

    @routes.get("/moved")
    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/there"})

    @routes.get("/large")
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b" " * (posh_get.PAGE_BYTES + 1))

    @routes.get("/endless")
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 1024)

    @routes.get("/silent")
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    @routes.get("/compressed")
    async def compressed(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("a.example").configure_cert(context)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    names.records["a.example", "A"] = ["127.0.0.1"]
    names.records["b.example", "A"] = ["127.0.0.1"]
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def resolver(names: DnsServer, clock: Clock) -> Resolver:
    return Resolver([f"127.0.0.1:{names.port}"], now=clock)


@pytest.fixture
def get(resolver: Resolver, trusting: ssl.SSLContext) -> Getter:
    return Getter(resolver, trusting)


async def test_a_page(site, get):
    assert b"fingerprints" in await get(f"https://a.example:{site}{PATH}")
    assert b"fingerprints" in await get(f"https://a.example:{site}{PATH}")  # with nothing of the first


async def test_a_redirect(site, get):
    assert await get(f"https://a.example:{site}/moved") == f"https://a.example:{site}/there"


@pytest.mark.parametrize("page", ["/missing", "/large", "/endless"])
async def test_pages_that_are_none(site, get, page):
    with pytest.raises(PoshError):
        await get(f"https://a.example:{site}{page}")


async def test_nothing_is_unpacked(site, get):
    """A small page would become a large one."""
    assert await get(f"https://a.example:{site}/compressed") == b"\x1f\x8b"


async def test_a_page_that_does_not_come(site, get, monkeypatch):
    monkeypatch.setattr(posh_get, "PAGE_S", 0.2)
    with pytest.raises(PoshError):
        await get(f"https://a.example:{site}/silent")


async def test_the_certificate_of_another(site, get):
    with pytest.raises(PoshError, match="certificate"):
        await get(f"https://b.example:{site}{PATH}")


async def test_an_authority_that_is_not_trusted(site, resolver):
    with pytest.raises(PoshError, match="certificate"):
        await Getter(resolver, ssl.create_default_context())(f"https://a.example:{site}{PATH}")


async def test_no_web_server(names, get):
    names.records["a.example", "A"] = ["127.0.0.1"]
    with pytest.raises(PoshError):
        await get("https://a.example:1/")
    with pytest.raises(PoshError):
        await get("https://missing.example/")


async def test_networks_that_are_never_connected_to(names, get):
    names.records["a.example", "A"] = ["169.254.169.254"]
    with pytest.raises(PoshError):
        await get("https://a.example/")


async def test_nobody_outside_leads_inside(names, resolver):
    names.records["out.example", "A"] = ["93.184.216.34"]
    names.records["in.example", "A"] = ["10.0.0.1"]
    names.records["both.example", "A"] = ["10.0.0.1", "93.184.216.34"]
    addresses = _Addresses(resolver)
    assert [each["host"] for each in await addresses.resolve("out.example", 443, AF_INET)] == ["93.184.216.34"]
    with pytest.raises(OSError, match="private"):
        await addresses.resolve("in.example", 443, AF_INET)
    assert [each["host"] for each in await addresses.resolve("both.example", 443, AF_INET)] == ["93.184.216.34"]
    within = _Addresses(resolver)
    assert await within.resolve("in.example", 443, AF_INET)  # a company's own servers may talk to one another
    assert await within.resolve("out.example", 443, AF_INET)


async def test_all_together(site, resolver, trusting, clock):
    asking = Posh(lambda: Getter(resolver, trusting), now=clock, port=site)
    assert (await asking.document("a.example")).fingerprints == (("sha-256", b"a"),)
    with pytest.raises(PoshError, match="certificate"):
        await asking.document("b.example")
