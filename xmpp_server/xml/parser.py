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
_CLIENT_HEAD = f"<root xmlns='{CLIENT}' xmlns:stream='{STREAM}'>".encode()
_XML_KEY = XML + " "


def parse(raw: bytes, default_ns: str = CLIENT, prefixes: Mapping[str, str] = _STREAM_PREFIX) -> Element:
    """Parse one element that stands where `default_ns` and `prefixes` (prefix -> namespace) are in force.

    Raises:
        ValueError: malformed, more or less than one element, deeper than MAX_DEPTH, or with a DTD, comment or
            processing instruction.

    """
    root = Element("", "")
    expat = _tree_parser(root)
    try:
        expat.Parse(_head(default_ns, prefixes) + raw + b"</root>", True)
    except ExpatError as error:
        raise ValueError(f"not an XML fragment: {error}") from None
    elements = [child for child in root.children if not isinstance(child, str)]
    if len(elements) != 1 or root.text.strip(" \t\r\n"):
        raise ValueError("not exactly one XML element")
    return elements[0]


def _head(default_ns: str, prefixes: Mapping[str, str]) -> bytes:
    if default_ns == CLIENT and prefixes is _STREAM_PREFIX:
        return _CLIENT_HEAD
    declarations = [f" xmlns:{prefix}='{escape_attr(ns)}'" for prefix, ns in prefixes.items() if prefix != "xml"]
    return f"<root xmlns='{escape_attr(default_ns)}'{''.join(declarations)}>".encode()


def _tree_parser(root: Element) -> XMLParserType:
    """Make a parser that grafts onto `root` what stands inside the document's outermost element.

    The handlers are closures that do not know the parser: a cycle would leave it to the garbage collector.
    """
    branch: list[Element] = []
    new = Element.__new__

    def start(name: str, attrs: dict[str, str]) -> None:
        if not branch:
            branch.append(root)
            return
        if len(branch) > MAX_DEPTH:
            raise ValueError("XML is nested too deeply")
        element = new(Element)
        element.ns, _, element.name = name.rpartition(" ")
        element.attrs = attribute_keys(attrs) if attrs else attrs
        element.children = []
        branch[-1].children.append(element)
        branch.append(element)

    def end(_name: str) -> None:
        branch.pop()

    def text(data: str) -> None:
        branch[-1].children.append(data)

    expat = ParserCreate("UTF-8", " ")
    expat.buffer_text = True
    expat.StartElementHandler = start
    expat.EndElementHandler = end
    expat.CharacterDataHandler = text
    expat.StartDoctypeDeclHandler = _refuse
    expat.CommentHandler = _refuse
    expat.ProcessingInstructionHandler = _refuse
    return expat


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
