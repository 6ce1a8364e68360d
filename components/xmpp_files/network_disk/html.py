"""HTML as a tree: what people typed becomes text and attributes, whatever stands in it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

Node = ET.Element | str | None


def tag(name: str, /, *children: Node, **attributes: str | bool | None) -> ET.Element:
    """Return an element; "_" at the end of a name of an attribute is dropped, inside it is "-"."""
    element = ET.Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            element.set(key.rstrip("_").replace("_", "-"), "" if value is True else str(value))
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            element.append(child)
            last = child
        elif child is not None and last is None:
            element.text = (element.text or "") + child
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + child
    return element


def document(root: ET.Element) -> bytes:
    """Return the bytes of a page."""
    return b"<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html").encode()
