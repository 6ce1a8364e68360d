"""The pool of parsers."""

from __future__ import annotations

import pytest

from xmpp_server.xml import pool as module
from xmpp_server.xml.events import ScanLimits
from xmpp_server.xml.expat import ContentParser
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
