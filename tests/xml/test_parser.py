"""Parsing fragments."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, STREAM
from xmpp_server.xml.parser import MAX_DEPTH, attribute_keys, parse


def test_namespaces_in_force() -> None:
    assert parse(b"<a/>") == Element("a", CLIENT)
    assert parse(b"<a/>", "") == Element("a", "")
    assert parse(b"<stream:a/>") == Element("a", STREAM)
    assert parse(b"<p:a/>", "", {"p": "urn:p'"}) == Element("a", "urn:p'")
    assert parse(b"<a/>", "urn:a", {"xml": "http://www.w3.org/XML/1998/namespace"}).ns == "urn:a"


def test_text_is_whole() -> None:
    assert parse(b"<a>1&amp;2<![CDATA[<3>]]>\n4</a>").children == ["1&2<3>\n4"]


def test_white_space_around() -> None:
    assert parse(b" \r\n<a/>\t") == Element("a", CLIENT)


def test_attribute_keys() -> None:
    element = parse(b"<a xml:lang='de' b='1' xmlns:p='urn:p' p:c='2'/>")
    assert element.attrs == {"xml:lang": "de", "b": "1", "urn:p c": "2"}
    assert attribute_keys({}) == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text",
        b"<a/>text",
        b"<a/><b/>",
        b"<a>",
        b"</root>",
        b"</root><root>",
        b"<a/></root><root><b/>",
        b"<x:a/>",
        b"<a>\xff</a>",
        b"<a>\0</a>",
        b"<!-- --><a/>",
        b"<a><!-- --></a>",
        b"<a><?p i?></a>",
        b"<!DOCTYPE a><a/>",
        b"<?xml version='1.0'?><a/>",
        b"<a>&b;</a>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
    ],
)
def test_refuses(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(raw)


def test_the_depth_that_is_allowed() -> None:
    element = parse(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH)
    assert element.copy() == element


@given(st.binary(max_size=40) | st.lists(st.sampled_from([b"<a", b">", b"/", b"</a>", b"x"])).map(b"".join))
def test_raises_only_value_errors(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(raw)
