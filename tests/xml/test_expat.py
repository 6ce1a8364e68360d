"""The parser of one stream's content, and that of its header."""

from __future__ import annotations

from xml.parsers.expat import ExpatError, errors

import pytest

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.xml.events import ScanLimits, StreamHeader
from xmpp_server.xml.expat import ContentParser, OpenedStream, read_header, stream_error
from xmpp_server.xml.namespaces import CLIENT, COMPONENT, SERVER, STREAM
from xmpp_server.xml.stanza import STANDARD_SCOPE, Scope

LIMITS = ScanLimits()


def test_logs_where_elements_end() -> None:
    parser = ContentParser(STANDARD_SCOPE, LIMITS)
    origin = parser.fed
    data = b"<iq id='1'><a/></iq><presence/></stream:stream>"
    parser.parse(data, False)
    assert [entry and (*entry[:3], entry[3] - origin) for entry in parser.log] == [
        (f"{CLIENT} iq", {"id": "1"}, (f"{CLIENT} a",), data.index(b"</iq>")),
        (f"{CLIENT} presence", {}, (), data.index(b"</stream")),
        None,
    ]


def test_knows_an_unfinished_token() -> None:
    parser = ContentParser(Scope("", {"p": "urn:'p'"}), LIMITS, "p:stream")
    assert not parser.is_waiting
    for data, is_waiting in ((b"<a b='>", True), (b"'>", False), (b"text", False)):
        parser.parse(data, False)
        parser.fed += len(data)
        assert parser.is_waiting is is_waiting


def opened(default_ns: str, prefix: str = "stream", end: str = ">") -> OpenedStream:
    found = read_header(f"<{prefix}:stream xmlns='{default_ns}' xmlns:{prefix}='{STREAM}'{end}".encode(), LIMITS)
    assert found is not None
    return found


def test_scopes() -> None:
    for ns in (CLIENT, SERVER, COMPONENT):
        assert opened(ns).scope is STANDARD_SCOPE
    assert opened(CLIENT, "s").scope == Scope(CLIENT, {"s": STREAM})
    assert opened("").scope.default == ""


def test_header() -> None:
    declaration = b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"
    assert read_header(declaration, LIMITS) is None
    found = read_header(declaration + b"<stream xmlns='%b'>" % STREAM.encode(), LIMITS)
    assert found == OpenedStream(StreamHeader({}, {}, STREAM, "stream", STREAM), Scope(STREAM, {}), "stream", False)
    assert opened(CLIENT, "s").root == "s:stream"
    assert opened(CLIENT, end="/>").is_closed


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (errors.XML_ERROR_UNBOUND_PREFIX, b"<x:a>", StreamCondition.BAD_NAMESPACE_PREFIX),
        (errors.XML_ERROR_UNDEFINED_ENTITY, b"&x;", StreamCondition.RESTRICTED_XML),
        (errors.XML_ERROR_INVALID_TOKEN, b"<a\xff>", StreamCondition.UNSUPPORTED_ENCODING),
        (errors.XML_ERROR_INVALID_TOKEN, b"<!D>", StreamCondition.RESTRICTED_XML),
        (errors.XML_ERROR_INVALID_TOKEN, b"<a b>", StreamCondition.NOT_WELL_FORMED),
        (errors.XML_ERROR_TAG_MISMATCH, b"</a>", StreamCondition.NOT_WELL_FORMED),
    ],
)
def test_translates_errors(code: str, data: bytes, expected: StreamCondition) -> None:
    error = ExpatError()
    error.code = errors.codes[code]
    assert stream_error(error, data, 2).condition is expected


def test_limits_hold_inside_the_parser() -> None:
    parser = ContentParser(STANDARD_SCOPE, ScanLimits(elements=2))
    with pytest.raises(StreamError):
        parser.parse(b"<a><b/><c/></a>", False)
