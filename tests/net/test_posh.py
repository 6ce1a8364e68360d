"""What a domain's web server says of certificates: documents, references, times, failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json

import pytest

from tests.net.conftest import Clock
from xmpp_server.net import posh
from xmpp_server.net.posh import PATH, Posh
from xmpp_server.net.posh_document import PoshError

CERTIFICATE = b"not really, but any bytes will do"
HOME = f"https://a.example{PATH}"
THERE = "https://hosting.example/a.json"


def fingerprint(certificate: bytes = CERTIFICATE) -> str:
    return base64.b64encode(hashlib.sha256(certificate).digest()).decode()


def says(certificate: bytes = CERTIFICATE, expires: object = 3600) -> bytes:
    return json.dumps({"fingerprints": [{"sha-256": fingerprint(certificate)}], "expires": expires}).encode()


def refers(url: str, expires: object = 3600) -> bytes:
    return json.dumps({"url": url, "expires": expires}).encode()


class Web:
    """Pages by address: a body, an address to go to instead, or None."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | str] = {}
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None

    async def get(self, url: str) -> bytes | str:
        self.asked.append(url)
        if self.hold is not None:
            await self.hold.wait()
        if url not in self.pages:
            raise PoshError(f"{url}: status 404")
        return self.pages[url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def asking(web: Web, clock: Clock) -> Posh:
    return Posh(lambda: web.get, now=clock)


async def test_fingerprints(web, asking):
    web.pages[HOME] = says()
    assert await asking.proves([CERTIFICATE, b"its CA"], "a.example")
    assert not await asking.proves([b"another", CERTIFICATE], "a.example")
    assert not await asking.proves([], "a.example")
    assert not await asking.proves([CERTIFICATE], "b.example")


async def test_internationalised_domains(web, asking):
    web.pages[f"https://xn--mnchen-3ya.example{PATH}"] = says()
    assert await asking.proves([CERTIFICATE], "münchen.example")


@pytest.mark.parametrize("domain", ["192.0.2.1", "[::1]", "a..example", "x" * 64 + ".example"])
async def test_domains_without_a_web_server(web, asking, domain):
    assert not await asking.proves([CERTIFICATE], domain)
    assert not web.asked


@pytest.mark.parametrize("redirect", [refers(THERE), THERE])
async def test_references(web, asking, redirect):
    """RFC 7711 §3.2: the hosting service says it, by a member of the document or as a redirect of HTTP."""
    web.pages |= {HOME: redirect, THERE: says()}
    assert await asking.proves([CERTIFICATE], "a.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://hosting.example/a.json",
        "https://hosting.example:5269/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https:///",
        "https://hosting.example:99999/",
        "https://[",
        "file:///etc/passwd",
        "/relative",
    ],
)
async def test_places_that_are_not_gone_to(web, asking, url):
    """Nobody makes us knock at other doors."""
    for redirect in (refers(url), url):
        web.pages = {HOME: redirect, url: says()}
        with pytest.raises(PoshError):
            await Posh(lambda: web.get, now=lambda: 0.0).document("a.example")
        assert set(web.asked) == {HOME}


async def test_a_circle(web, asking):
    web.pages |= {HOME: refers(THERE), THERE: HOME}
    with pytest.raises(PoshError, match="without end"):
        await asking.document("a.example")
    assert len(web.asked) == 1 + posh.HOPS


async def test_what_is_said_is_kept_for_its_time(web, asking, clock):
    web.pages[HOME] = says(expires=100)
    assert await asking.proves([CERTIFICATE], "a.example")
    web.pages[HOME] = says(b"a new one")
    clock.now = 99
    assert await asking.proves([CERTIFICATE], "a.example")
    clock.now = 101
    assert not await asking.proves([CERTIFICATE], "a.example")
    assert await asking.proves([b"a new one"], "a.example")
    assert len(web.asked) == 2


async def test_the_shortest_time_of_a_chain_counts(web, asking, clock):
    """RFC 7711 §7."""
    web.pages |= {HOME: refers(THERE, expires=10), THERE: says(expires=1000)}
    assert await asking.proves([CERTIFICATE], "a.example")
    web.pages[HOME] = says(b"a new one")
    clock.now = 11
    assert not await asking.proves([CERTIFICATE], "a.example")


async def test_nothing_is_believed_for_ever(web, asking, clock):
    web.pages[HOME] = says(expires=1e300)
    assert await asking.proves([CERTIFICATE], "a.example")
    del web.pages[HOME]
    clock.now = posh.KEEP_S + 1
    assert not await asking.proves([CERTIFICATE], "a.example")


async def test_failures_are_kept(web, asking, clock):
    """A stream that comes again and again does not make us ask again and again."""
    for _ in range(5):
        assert not await asking.proves([CERTIFICATE], "a.example")
    assert len(web.asked) == 1
    web.pages[HOME] = says()
    clock.now = posh.KEEP_FAILURE_S + 1
    assert await asking.proves([CERTIFICATE], "a.example")


async def test_a_domain_is_asked_once_for_all_who_wait(web, asking):
    web.pages[HOME] = says()
    web.hold = asyncio.Event()
    waiting = [asyncio.ensure_future(asking.proves([CERTIFICATE], "a.example")) for _ in range(10)]
    await asyncio.sleep(0)
    web.hold.set()
    assert await asyncio.gather(*waiting) == [True] * 10
    assert web.asked == [HOME]


async def test_who_gives_up_takes_nobody_along(web, asking):
    web.pages[HOME] = says()
    web.hold = asyncio.Event()
    first, second = (asyncio.ensure_future(asking.proves([CERTIFICATE], "a.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    web.hold.set()
    assert await second


async def test_few_are_asked_at_one_time(web, asking):
    web.hold = asyncio.Event()
    waiting = [
        asyncio.ensure_future(asking.proves([CERTIFICATE], f"a{number}.example")) for number in range(posh.WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(PoshError, match="too many"):
        await asking.document("a.example")
    assert len(web.asked) == posh.FETCHES_AT_ONCE
    web.hold.set()
    await asyncio.gather(*waiting)
    web.pages[HOME] = says()
    assert await asking.proves([CERTIFICATE], "a.example")  # it was not held against the domain


async def test_a_web_server_that_hangs(web, asking, monkeypatch):
    monkeypatch.setattr(posh, "FETCH_S", 0.01)
    web.hold = asyncio.Event()
    with pytest.raises(PoshError, match="too long"):
        await asking.document("a.example")


async def test_the_cache_is_bounded(asking, monkeypatch):
    monkeypatch.setattr(posh, "CACHED_DOMAINS", 3)
    for number in range(6):
        assert not await asking.proves([CERTIFICATE], f"a{number}.example")
    assert len(asking._cache) == 3
