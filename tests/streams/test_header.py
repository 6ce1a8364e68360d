"""RFC 6120 §4.7: the stream header, errors."""

from __future__ import annotations

import pytest

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.streams import header
from xmpp_server.xml.namespaces import CLIENT, STREAM
from xmpp_server.xml.parser import parse
from xmpp_server.xml.scanner import StreamHeader


def received(default_ns: str = CLIENT, prefixes: dict[str, str] | None = None, **attrs: str) -> StreamHeader:
    return StreamHeader(attrs, {"stream": STREAM} | (prefixes or {}), default_ns, "stream", STREAM)


def test_content_may_have_a_prefix() -> None:
    header.check_namespace(received("", {"c": CLIENT}))
    with pytest.raises(StreamError):
        header.check_namespace(received("jabber:server"))


@pytest.mark.parametrize("version", ["1.0", "1.9", "2.0", "0001.0"])
def test_versions_from_one_on(version: str) -> None:
    header.check_version(received(version=version))


@pytest.mark.parametrize("attrs", [{}, {"version": ""}, {"version": "0.9"}, {"version": "1"}, {"version": "\uff11.0"}])
def test_older_versions(attrs: dict[str, str]) -> None:
    with pytest.raises(StreamError) as raised:
        header.check_version(received(**attrs))
    assert raised.value.condition is StreamCondition.UNSUPPORTED_VERSION


def test_addresses() -> None:
    assert header.addressed_domain(received(to="EXAMPLE.org")) == "example.org"
    assert header.addressed_domain(received(to="juliet@example.org")) is None
    assert header.addressed_domain(received()) is None
    assert header.initiator(received(**{"from": "juliet@example.org"})) == JID.parse("juliet@example.org")
    assert header.initiator(received(**{"from": "@"})) is None
    assert header.initiator(received()) is None


@pytest.mark.parametrize("lang", ["en", "pt-BR", "zh-Hant-TW", "x-a"])
def test_language(lang: str) -> None:
    assert header.language(received(**{"xml:lang": lang})) == lang


@pytest.mark.parametrize("lang", ["", "1", "en_US", "en-", "abcdefghi", "en'><x", "en" + "-a" * 8])
def test_no_language(lang: str) -> None:
    assert header.language(received(**{"xml:lang": lang})) is None


def test_response_is_escaped() -> None:
    written = header.response("example.org", "<'id", JID.parse("juliet@example.org/'<a>")).decode()
    start = "<?xml version='1.0'?>"
    assert written.startswith(start)
    root = parse(written.removeprefix(start).encode() + header.CLOSING_TAG)
    assert (root.ns, root.name) == (STREAM, "stream")
    assert root.attrs == {
        "id": "<'id",
        "from": "example.org",
        "to": "juliet@example.org/'<a>",
        "version": "1.0",
        "xml:lang": "en",
    }


@pytest.mark.parametrize("condition", StreamCondition)
def test_every_error(condition: StreamCondition) -> None:
    ns = "urn:ietf:params:xml:ns:xmpp-streams"
    assert header.error(StreamError(condition)) == (
        f"<stream:error><{condition.value} xmlns='{ns}'/></stream:error>".encode()
    )
    error = parse(header.error(StreamError(condition, "a&b", app_xml=b"<x xmlns='urn:x'/>")))
    names = [child.name for child in error.elements()]
    if condition is StreamCondition.SEE_OTHER_HOST:
        assert names == [condition.value, "x"]
        assert error.first is not None
        assert error.first.text == "a&b"
    else:
        assert names == [condition.value, "text", "x"]
