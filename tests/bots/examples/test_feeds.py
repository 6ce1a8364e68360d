"""Feeds, served by a real HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.bots.conftest import EXAMPLES
from xmpp_bot import Config
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "feeds.py"
ROMEO = "romeo@example.org"
OWNED = Config(jid="bot@example.org", owners=(ROMEO,))

RSS = "<rss><channel>{}</channel></rss>"
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>"
ITEM = "<item><guid>{0}</guid><title>Number {0}</title><link>https://example.org/{0}</link></item>"
ENTRY = "<entry><id>{0}</id><title>Number {0}</title><link href='https://example.org/{0}'/></entry>"


class Site:
    """What the HTTP server says."""

    text = ""
    url = ""

    async def get(self, request: web.Request) -> web.Response:
        if not self.text:
            raise web.HTTPNotFound
        return web.Response(text=self.text)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    application = web.Application()
    application.add_routes([web.get("/feed", site.get)])
    async with TestServer(application) as server:
        site.url = str(server.make_url("/feed"))
        yield site


@pytest.mark.parametrize(("feed", "entry"), [(RSS, ITEM), (ATOM, ENTRY)], ids=["RSS", "Atom"])
async def test_what_is_new_is_told_once(site: Site, feed: str, entry: str) -> None:
    site.text = feed.format(entry.format(1))
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says(f"follow {site.url}") == ["I follow it; it has 1 entries."]
        assert await romeo.says("feeds") == [site.url]
        site.text = feed.format(entry.format(3) + entry.format(2) + entry.format(1))
        await stage.passes("31m")
        assert romeo.texts[2:] == ["Number 2\nhttps://example.org/2", "Number 3\nhttps://example.org/3"]
        site.text = ""
        await stage.passes("11m")
        assert len(romeo.texts) == 4
        assert await romeo.says(f"unfollow {site.url}") == ["Gone."]
        assert await romeo.says("feeds") == ["None."]


async def test_what_is_no_feed_is_refused(site: Site) -> None:
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        for site.text in ("", "no XML"):
            assert await romeo.says(f"follow {site.url}") == ["I cannot read that feed."]
        assert await romeo.says("follow nonsense") == ["I cannot read that feed."]
        assert await stage.chat("tybalt@example.org").says(f"follow {site.url}") == ["Only for owners."]
