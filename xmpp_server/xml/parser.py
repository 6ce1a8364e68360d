"""Parses a whole fragment into an element tree; the counterpart of `writer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

from .element import Element
from .namespaces import CLIENT, STREAM, XML
from .writer import escape_attr

#: Deeper trees are refused: the tree's own methods descend recursively.
MAX_DEPTH: Final = 200

_STREAM_PREFIX: Mapping[str, str] = {"stream": STREAM}
_XML_KEY = XML + " "


def parse(raw: bytes, default_ns: str = CLIENT, prefixes: Mapping[str, str] = _STREAM_PREFIX) -> Element:
    """Parse one element that stands where `default_ns` and `prefixes` (prefix -> namespace) are in force.

    Raises:
        ValueError: malformed, more or less than one element, deeper than MAX_DEPTH, or with a DTD, comment or
            processing instruction.

    """
    builder = _TreeBuilder()
    declarations = "".join(
        [f" xmlns:{prefix}='{escape_attr(ns)}'" for prefix, ns in prefixes.items() if prefix != "xml"]
    )
    head = f"<root xmlns='{escape_attr(default_ns)}'{declarations}>".encode()
    try:
        builder.expat.Parse(head + raw + b"</root>", True)
    except ExpatError as error:
        raise ValueError(f"not an XML fragment: {error}") from None
    return builder.only_element()


class _TreeBuilder:
    """Collects expat's events into trees below a root element that is not part of the result."""

    def __init__(self) -> None:
        self.expat: XMLParserType = ParserCreate("UTF-8", " ")
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._text
        self.expat.StartDoctypeDeclHandler = _refuse
        self.expat.CommentHandler = _refuse
        self.expat.ProcessingInstructionHandler = _refuse
        self._root = Element("", "")
        self._open: list[Element] = []

    def only_element(self) -> Element:
        """Return the one element, if there is one and nothing else but white space."""
        elements = list(self._root.elements())
        if len(elements) != 1 or self._root.text.strip(" \t\r\n"):
            raise ValueError("not exactly one XML element")
        return elements[0]

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        open_ = self._open
        if not open_:
            open_.append(self._root)
            return
        if len(open_) > MAX_DEPTH:
            raise ValueError("XML is nested too deeply")
        ns, _, local = name.rpartition(" ")
        element = Element(local, ns)
        if attrs:
            element.attrs = attribute_keys(attrs)
        open_[-1].children.append(element)
        open_.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, data: str) -> None:
        self._open[-1].children.append(data)


def attribute_keys(attrs: dict[str, str]) -> dict[str, str]:
    """Name attributes as `Element.attrs` does: expat's form of the xml prefix becomes "xml:"."""
    for key in attrs:
        if key.startswith(_XML_KEY):
            return {
                "xml:" + key[len(_XML_KEY) :] if key.startswith(_XML_KEY) else key: value
                for key, value in attrs.items()
            }
    return attrs


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a DTD, comment or processing instruction in XML")
