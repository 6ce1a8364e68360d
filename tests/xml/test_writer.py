"""Serialising."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, STREAM, XML, XMLNS
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import escape_attr, escape_text, serialize

CHARS = st.characters(exclude_categories=("Cs",), exclude_characters="\ufffe\uffff").filter(
    lambda char: char >= " " or char in "\t\n\r"
)
TEXT = st.text(st.one_of(st.sampled_from("<>&'\"\t\n\r ]\x85\u2028\ufffd\U00010000"), CHARS), max_size=12)
ATTRS = st.dictionaries(
    st.sampled_from(["to", "id", "xml:lang", "urn:x k", "urn:z k", "urn:x xmlns", "xml:xmlns"]), TEXT, max_size=3
)
NAMES = st.sampled_from(["a", "message", "x-y", "é", "_", "a.1", "xmlns", "xml"])
NAMESPACES = st.sampled_from([CLIENT, "urn:x", "urn:y'&", "", XML])


def grown(name: str, ns: str, attrs: dict[str, str], children: list[Element | str]) -> Element:
    element = Element(name, ns, attrs)
    element.children = children
    return element


ELEMENTS: st.SearchStrategy[Element] = st.recursive(
    st.builds(Element, NAMES, NAMESPACES, ATTRS, TEXT),
    lambda nodes: st.builds(grown, NAMES, NAMESPACES, ATTRS, st.lists(st.one_of(nodes, TEXT), max_size=4)),
    max_leaves=8,
)


@given(ELEMENTS, st.sampled_from([CLIENT, "urn:x", ""]))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_again(element: Element, default_ns: str) -> None:
    raw = serialize(element, default_ns)
    again = parse(raw, default_ns)
    assert again == element
    assert parse(serialize(again, default_ns), default_ns) == again


@given(TEXT)
def test_escaped_text_cannot_break_out(text: str) -> None:
    assert not set("<>") & set(escape_text(text))
    assert not set("<>'\"\t\n\r") & set(escape_attr(text))
    element = parse(f"<a b='{escape_attr(text)}' c=\"{escape_attr(text)}\">{escape_text(text)}</a>".encode())
    assert (element.get("b"), element.get("c"), element.text) == (text, text, text)


def test_namespaces_are_declared_where_they_change() -> None:
    element = Element("message", CLIENT)
    element.add("body", text="hi")
    element.add("x", "urn:x").add("y").add("body", CLIENT)
    assert serialize(element) == (
        b"<message><body>hi</body><x xmlns='urn:x'><y><body xmlns='jabber:client'/></y></x></message>"
    )


def test_prefixes_in_force_are_used() -> None:
    element = Element("features", STREAM)
    element.add("bind", "urn:b")
    expected = b"<stream:features><bind xmlns='urn:b'/></stream:features>"
    assert serialize(element, prefixes={STREAM: "stream"}) == expected


@pytest.mark.parametrize("char", ["\0", "\x01", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_forbidden_characters(char: str) -> None:
    for element in (Element("a", "", text=char), Element("a", "", {"b": char}), Element("a", char)):
        with pytest.raises(ValueError, match="not allowed"):
            serialize(element)


@pytest.mark.parametrize("name", ["", "1", "a\n", "a:b", "a>", "a'", "-"])
def test_forbidden_names(name: str) -> None:
    for element in (Element(name, CLIENT), Element("a", CLIENT, {f"urn:x {name}": ""})):
        with pytest.raises(ValueError, match="not an XML name"):
            serialize(element)


@pytest.mark.parametrize("key", ["xmlns", "xmlns:a", "a:b", "", "xml:", "xml:a:b"])
def test_forbidden_attributes(key: str) -> None:
    with pytest.raises(ValueError, match="not an XML name"):
        serialize(Element("a", CLIENT, {key: "x"}))


@pytest.mark.parametrize("ns", [XMLNS, "a b"])
def test_forbidden_namespaces(ns: str) -> None:
    with pytest.raises(ValueError, match="not a namespace"):
        serialize(Element("a", ns))
    with pytest.raises(ValueError, match="not an attribute"):
        serialize(Element("a", CLIENT, {f"{ns} b": ""}))
