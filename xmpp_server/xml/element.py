"""The element tree: what a handler reads out of a stanza and builds an answer with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self


def tag(ns: str, name: str) -> str:
    """Join a namespace and a local name the way the scanner reports them; `ns` may be empty."""
    return f"{ns} {name}" if ns else name


class Element:
    """An XML element with its namespace, attributes and mixed children.

    Attribute keys are "to", "xml:lang", or "namespace name" with one space for any other prefixed attribute.
    Two elements are equal if they say the same; prefixes and the order of attributes do not matter.
    """

    __slots__ = ("attrs", "children", "name", "ns")
    __hash__ = None  # type: ignore[assignment]  # mutable, so not a key

    def __init__(self, name: str, ns: str, attrs: Mapping[str, str] | None = None, text: str | None = None) -> None:
        self.name = name
        self.ns = ns
        self.attrs: dict[str, str] = dict(attrs) if attrs else {}
        self.children: list[Element | str] = [text] if text else []

    @property
    def tag(self) -> str:
        """The namespace and the local name, as `tag` joins them."""
        return tag(self.ns, self.name)

    @property
    def text(self) -> str:
        """All direct text; that of child elements is left out."""
        return "".join([child for child in self.children if isinstance(child, str)])

    @property
    def first(self) -> Element | None:
        """The first child element."""
        return next(self.elements(), None)

    def get(self, attr: str, default: str | None = None) -> str | None:
        """Return the value of an attribute."""
        return self.attrs.get(attr, default)

    def elements(self) -> Iterator[Element]:
        """Iterate over the child elements, without the text between them."""
        for child in self.children:
            if not isinstance(child, str):
                yield child

    def find(self, name: str, ns: str) -> Element | None:
        """Return the first child element of this name."""
        return next(self.findall(name, ns), None)

    def findall(self, name: str, ns: str) -> Iterator[Element]:
        """Iterate over the child elements of this name."""
        for child in self.children:
            if not isinstance(child, str) and child.name == name and child.ns == ns:
                yield child

    def add(self, name: str, /, ns: str | None = None, text: str | None = None, **attrs: str | None) -> Element:
        """Append a new child element and return it.

        Its namespace is the parent's unless given; an attribute that is None is left out.
        """
        child = Element(name, self.ns if ns is None else ns, None, text)
        for key, value in attrs.items():
            if value is not None:
                child.attrs[key] = value
        self.children.append(child)
        return child

    def append(self, node: Element | str) -> Self:
        """Append an element or text and return this element."""
        self.children.append(node)
        return self

    def copy(self) -> Element:
        """Copy the whole tree."""
        twin = Element(self.name, self.ns, self.attrs)
        twin.children = [child if isinstance(child, str) else child.copy() for child in self.children]
        return twin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return (
            self.name == other.name
            and self.ns == other.ns
            and self.attrs == other.attrs
            and _merged(self.children) == _merged(other.children)
        )

    def __repr__(self) -> str:
        return f"<Element {self.tag!r} {self.attrs!r} {self.children!r}>"


def _merged(children: list[Element | str]) -> list[Element | str]:
    """Join neighbouring text and drop empty text, which XML cannot tell apart."""
    merged: list[Element | str] = []
    for child in children:
        if isinstance(child, str):
            if not child:
                continue
            if merged and isinstance(previous := merged[-1], str):
                merged[-1] = previous + child
                continue
        merged.append(child)
    return merged
