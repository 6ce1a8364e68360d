"""The element tree."""

from __future__ import annotations

import pytest

from xmpp_server.xml.element import Element, tag


def example() -> Element:
    element = Element("query", "urn:q", {"node": "n"}, "one")
    element.add("item", jid="a@b", name="Name", ask=None).add("group", text="Friends")
    element.append("two").add("item", jid="c@d")
    element.add("other", "urn:o")
    return element


def test_tags() -> None:
    assert tag("urn:q", "query") == "urn:q query"
    assert tag("", "query") == "query"
    assert example().tag == "urn:q query"


def test_reading() -> None:
    element = example()
    assert element.get("node") == "n"
    assert element.get("none") is None
    assert element.get("none", "x") == "x"
    assert element.text == "onetwo"
    assert [child.name for child in element.elements()] == ["item", "item", "other"]
    assert [child.get("jid") for child in element.findall("item", "urn:q")] == ["a@b", "c@d"]
    assert element.first is element.find("item", "urn:q")
    assert element.find("item", "urn:o") is None
    assert element.find("other", "urn:o") is not None
    assert Element("a", "").first is None


def test_children_inherit_the_namespace() -> None:
    group = next(example().elements()).first
    assert group == Element("group", "urn:q", text="Friends")


def test_absent_attributes_are_left_out() -> None:
    first = example().first
    assert first is not None
    assert first.attrs == {"jid": "a@b", "name": "Name"}


def test_a_copy_is_deep() -> None:
    element = example()
    twin = element.copy()
    assert twin == element
    next(twin.elements()).attrs["jid"] = "x"
    assert twin != element


def test_equality_joins_text() -> None:
    assert Element("a", "").append("x").append("").append("y") == Element("a", "", text="xy")
    assert Element("a", "") != Element("a", "", text="x")
    assert Element("a", "") != "a"
    with pytest.raises(TypeError):
        hash(Element("a", ""))


def test_repr_shows_what_differs() -> None:
    assert "urn:q query" in repr(example())
