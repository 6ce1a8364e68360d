"""The pool of parsers."""

from __future__ import annotations

import pytest

from xmpp_server.errors import StreamError
from xmpp_server.xml import pool as module
from xmpp_server.xml.events import ScanLimits
from xmpp_server.xml.expat import ContentParser
from xmpp_server.xml.namespaces import STREAM
from xmpp_server.xml.pool import ParserPool
from xmpp_server.xml.stanza import STANDARD_SCOPE

LIMITS = ScanLimits()


def made(pool: ParserPool) -> ContentParser:
    return ContentParser(STANDARD_SCOPE, LIMITS, shelf=pool.shelf(LIMITS))


def test_keeps_parsers_by_their_limits() -> None:
    pool = ParserPool()
    parser = made(pool)
    pool.put_back(parser)
    assert pool.shelf(ScanLimits()) == [parser]
    assert pool.shelf(ScanLimits.before_auth()) == []


def test_is_bounded() -> None:
    pool = ParserPool(size=2)
    for _ in range(5):
        pool.put_back(made(pool))
    assert len(pool.shelf(LIMITS)) == 2


def test_gives_up_a_parser_of_one_stream() -> None:
    pool = ParserPool()
    pool.put_back(ContentParser(STANDARD_SCOPE, LIMITS))
    assert pool.shelf(LIMITS) == []


def test_gives_up_a_parser_that_keeps_many_names() -> None:
    pool = ParserPool()
    parser = made(pool)
    for number in range(module.MAX_NAMES + 1):
        parser.parse(b"<a%d/>" % number, False)
    pool.put_back(parser)
    assert pool.shelf(LIMITS) == []


def test_gives_up_a_parser_that_has_read_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    pool = ParserPool()
    parser = made(pool)
    parser.fed += 100
    pool.put_back(parser)
    assert pool.shelf(LIMITS) == []


def header(domain: str) -> bytes:
    return f"<stream:stream to='{domain}' xmlns='jabber:client' xmlns:stream='{STREAM}'>".encode()


def test_reads_a_header_once() -> None:
    pool = ParserPool()
    first = pool.header(header("example.org"), LIMITS)
    assert first is not None
    assert first.header.attrs == {"to": "example.org"}
    assert pool.header(header("example.org"), LIMITS) is first
    assert pool.header(header("example.com"), LIMITS) != first
    assert pool.header(b"<?xml version='1.0'?>", LIMITS) is pool.header(b"<?xml version='1.0'?>", LIMITS) is None


def test_forgets_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEADERS", 2)
    pool = ParserPool()
    first = pool.header(header("1.example"), LIMITS)
    for number in (2, 3):
        pool.header(header(f"{number}.example"), LIMITS)
    again = pool.header(header("1.example"), LIMITS)
    assert again == first
    assert again is not first
    long = header("x" * module.MAX_HEADER_BYTES)
    assert pool.header(long, LIMITS) is not pool.header(long, LIMITS)


def test_a_header_that_was_refused_is_refused_again() -> None:
    pool = ParserPool()
    for _ in range(2):
        with pytest.raises(StreamError):
            pool.header(b"<stream>", LIMITS)
