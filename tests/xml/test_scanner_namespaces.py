"""Long namespaces stand in every name that expat makes of a short prefix: a stanza could fill the memory with them."""

from __future__ import annotations

import pytest

from tests.xml.test_scanner import HEADER, condition, scan
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.xml.events import ScanLimits
from xmpp_server.xml.expat import NAME_CHARS, NAMESPACE_CHARS
from xmpp_server.xml.scanner import HEADER_BYTES
from xmpp_server.xml.stanza import Stanza

LONGEST = "urn:" + "n" * (NAMESPACE_CHARS - 4)
LONG = "n" * 2 * NAME_CHARS
PLACES = [
    "<message xmlns:x='{}'><x:a/></message>",
    "<message><body xmlns='{}'/></message>",
    "<message><body xmlns:x='{}' x:a=''/></message>",
    "<x:message xmlns:x='{}'/>",
]


@pytest.mark.parametrize("place", PLACES)
def test_namespaces_of_stanzas(place: str) -> None:
    assert isinstance(scan(HEADER + place.format(LONGEST).encode())[1], Stanza)
    assert condition(HEADER + place.format(LONG).encode()) is StreamCondition.POLICY_VIOLATION


@pytest.mark.parametrize("declaration", ["xmlns:x='{}'", "xmlns='{}'"])
def test_the_longest_namespace_of_a_header(declaration: str) -> None:
    header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' " + declaration + ">"
    assert condition(header.format(LONGEST).encode()) is None
    assert condition(header.format(LONGEST + "n").encode()) is StreamCondition.POLICY_VIOLATION


@pytest.mark.parametrize("element", [b"<x:a%d/>", b"<a x:a%d=''/>"])
def test_a_stanza_that_would_take_gigabytes(element: bytes) -> None:
    inside = b"".join([element % number for number in range(9_000)])
    stanza = b"<message xmlns:x='%b'>%b</message>" % (b"n" * 100_000, inside)
    error = scan(HEADER + stanza, limits=ScanLimits())[-1]
    assert isinstance(error, StreamError)
    assert error.condition is StreamCondition.POLICY_VIOLATION


def test_headers_are_short_whatever_stanzas_may_be() -> None:
    opening, end = HEADER[:-1] + b" x='", b"'>"
    room = HEADER_BYTES - len(opening) - len(end)
    assert condition(opening + b"x" * room + end, ScanLimits()) is None
    assert condition(opening + b"x" * (room + 1) + end, ScanLimits()) is StreamCondition.POLICY_VIOLATION
