"""Feeds, served by a real HTTP server."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bots.conftest import EXAMPLES
from tests.bots.feed_site import ATOM, ENTRY, ITEM, RSS, Site, serve
from xmpp_bot import Config
from xmpp_bot.loading import load_bot
from xmpp_bot.testing import Stage

BOT = EXAMPLES / "feeds.py"
ROMEO = "romeo@example.org"
OWNED = Config(jid="bot@example.org", owners=(ROMEO,))
LAUGHS = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(9))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve() as site:
        yield site


@pytest.mark.parametrize(("feed", "entry"), [(RSS, ITEM), (ATOM, ENTRY)], ids=["RSS", "Atom"])
async def test_what_is_new_is_told_once(site: Site, feed: str, entry: str) -> None:
    site.body = feed.format(entry.format(1)).encode()
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says(f"follow {site.url}") == ["I follow it; it has 1 entries."]
        assert await romeo.says("feeds") == [site.url]
        site.body = feed.format(entry.format(3) + entry.format(2) + entry.format(1)).encode()
        await stage.passes("31m")
        assert romeo.texts[2:] == ["Number 2\nhttps://example.org/2", "Number 3\nhttps://example.org/3"]
        site.body = b""
        await stage.passes("11m")
        assert len(romeo.texts) == 4
        assert await romeo.says(f"unfollow {site.url}") == ["Gone."]
        assert await romeo.says("feeds") == ["None."]


@pytest.mark.parametrize("etag", [True, False], ids=["If-None-Match", "If-Modified-Since"])
async def test_what_has_not_changed_is_not_fetched(site: Site, etag: bool, tmp_path: Path) -> None:
    site.etag = etag
    site.items(1)
    async with Stage(load_bot(BOT), config=OWNED, store=tmp_path / "s") as stage:
        await stage.chat(ROMEO).says(f"follow {site.url}")
        await stage.passes("21m")
        site.items(1, 2)
        await stage.passes("21m")
        now = stage.now
        assert stage.chat(ROMEO).texts[1:] == ["Number 2\nhttps://example.org/2"]
    async with Stage(load_bot(BOT), config=OWNED, store=tmp_path / "s", now=now + 3600) as stage:
        await stage.passes("11m")
        assert stage.chat(ROMEO).texts == []
    assert site.answers[:5] == [200, 304, 304, 200, 304]
    assert set(site.answers[5:]) == {304}


async def test_a_long_feed_is_told_in_part_and_once(site: Site) -> None:
    site.items(1)
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        await romeo.says(f"follow {site.url}")
        site.items(*range(1, 1200))
        await stage.passes("11m")
        assert romeo.texts[1:] == [f"Number {n}\nhttps://example.org/{n}" for n in range(1195, 1200)]
        site.items(*range(2, 1201))
        await stage.passes("1h")
        assert romeo.texts[6:] == ["Number 1200\nhttps://example.org/1200"]


@pytest.mark.parametrize(
    "body",
    [
        b"no XML",
        b"<rss>",
        RSS.format(ITEM.format(1)).encode() + b" " * 2_000_000,
        b"<!DOCTYPE r [<!ENTITY l0 'lol'>" + LAUGHS.encode() + b"]><rss><item><title>&l9;</title></item></rss>",
        b"<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><rss><item><title>&x;</title></item></rss>",
        "<!DOCTYPE r [<!ENTITY x 'y'>]><rss><item><title>&x;</title></item></rss>".encode("utf-16"),
        b"<?xml version='1.0' encoding='klingon'?><rss/>",
        b"<?xml version='1.0' encoding='utf-7'?><rss/>",
        RSS.format("<item><title>\xe9</title></item>").encode("latin-1"),
    ],
    ids=["text", "open", "huge", "laughs", "file", "utf-16", "klingon", "utf-7", "latin-1"],
)
async def test_hostile_documents_are_refused_and_harm_no_other_feed(site: Site, body: bytes) -> None:
    site.items(1)
    async with Stage(load_bot(BOT), config=OWNED) as stage, serve() as other:
        romeo = stage.chat(ROMEO)
        await romeo.says(f"follow {site.url}")
        other.items(1)
        await romeo.says(f"follow {other.url}")
        site.body = body
        other.items(1, 2)
        await stage.passes("11m")
        assert romeo.texts[2:] == ["Number 2\nhttps://example.org/2"]
        assert await romeo.says(f"follow {site.url}") == ["I cannot read that feed."]
        site.items(1, 3)
        await stage.passes("11m")
        assert romeo.texts[4:] == ["Number 3\nhttps://example.org/3"]


@pytest.mark.parametrize(
    ("charset", "encoding"), [("ISO-8859-1", "latin-1"), ("utf8", "utf-8"), ("klingon", ""), ("punycode", "")]
)
async def test_the_header_tells_the_charset(site: Site, charset: str, encoding: str) -> None:
    site.items(1)
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        await romeo.says(f"follow {site.url}")
        site.headers = {"Content-Type": f"text/xml; charset={charset}"}
        site.body = RSS.format("<item><title>Café</title></item>").encode(encoding or "utf-8")
        await stage.passes("11m")
        assert romeo.texts[1:] == (["Café"] if encoding else [])


async def test_packed_redirected_and_endless_answers_are_refused(site: Site) -> None:
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        site.items(1)
        site.body = gzip.compress(site.body)
        site.headers = {"Content-Encoding": "gzip"}
        assert await romeo.says(f"follow {site.url}") == ["I cannot read that feed."]
        for path in ("loop/0", "endless"):
            url = site.url.replace("feed", path)
            assert await romeo.says(f"follow {url}") == ["I cannot read that feed."]
        assert site.answers.count(302) < 20


async def test_titles_are_short(site: Site) -> None:
    site.items(1)
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        await romeo.says(f"follow {site.url}")
        site.body = RSS.format(f"<item><title>a\n {'b' * 100_000}</title></item>").encode()
        await stage.passes("11m")
        assert romeo.texts[1:] == ["a " + "b" * 498]


async def test_what_is_no_feed_is_refused(site: Site) -> None:
    async with Stage(load_bot(BOT), config=OWNED) as stage:
        romeo = stage.chat(ROMEO)
        assert await romeo.says(f"follow {site.url}") == ["I cannot read that feed."]
        assert await romeo.says("follow nonsense") == ["I cannot read that feed."]
        assert await romeo.says("follow file:///etc/passwd") == ["I cannot read that feed."]
        assert await stage.chat("tybalt@example.org").says(f"follow {site.url}") == ["Only for owners."]
