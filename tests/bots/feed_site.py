"""A web site with a feed, over real HTTP: it answers conditional requests, and can be as hostile as a test likes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

RSS = "<rss><channel>{}</channel></rss>"
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>"
ITEM = "<item><guid>{0}</guid><title>Number {0}</title><link>https://example.org/{0}</link></item>"
ENTRY = "<entry><id>{0}</id><title>Number {0}</title><link href='https://example.org/{0}'/></entry>"


class Site:
    """What the site says: `body`, with the validators and headers that are switched on."""

    def __init__(self) -> None:
        self.url = ""
        self.body = b""
        self.headers: dict[str, str] = {}
        self.etag = True
        #: The status of each answer.
        self.answers: list[int] = []

    def items(self, *numbers: int) -> None:
        """Have so many entries, the newest first."""
        self.body = RSS.format("".join(ITEM.format(number) for number in reversed(numbers))).encode()

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Answer as most servers of files do."""
        if not self.body:
            raise web.HTTPNotFound
        mark = hashlib.sha256(self.body).hexdigest()[:16]
        if self.etag and request.headers.get("If-None-Match") == f'"{mark}"':
            self.answers.append(304)
            return web.Response(status=304)
        if not self.etag and request.headers.get("If-Modified-Since") == f"date {mark}":
            self.answers.append(304)
            return web.Response(status=304)
        self.answers.append(200)
        validators = {"ETag": f'"{mark}"'} if self.etag else {"Last-Modified": f"date {mark}"}
        return web.Response(body=self.body, headers={"Content-Type": "text/xml", **validators, **self.headers})

    async def loop(self, request: web.Request) -> web.StreamResponse:
        """Lead on, for ever."""
        self.answers.append(302)
        raise web.HTTPFound(f"/loop/{len(self.answers)}")

    async def endless(self, request: web.Request) -> web.StreamResponse:
        """Send until the other side has had enough."""
        response = web.StreamResponse()
        await response.prepare(request)
        self.answers.append(200)
        try:
            while True:
                await response.write(b"<item/>" * 10_000)
        except ConnectionError:
            return response


@asynccontextmanager
async def serve() -> AsyncIterator[Site]:
    """Open the site: /feed, /loop/0, /endless."""
    site = Site()
    application = web.Application()
    application.add_routes(
        [web.get("/feed", site.feed), web.get("/loop/{n}", site.loop), web.get("/endless", site.endless)]
    )
    async with TestServer(application) as server:
        site.url = str(server.make_url("/feed"))
        yield site
