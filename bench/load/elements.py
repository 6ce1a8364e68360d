"""Cutting a server's stream into its first-level elements, by regular expressions only.

The servers under test are trusted to send well-formed XML without comments or CDATA sections: no parser is needed to
find where an element ends, only the balance of its tags.
"""

from __future__ import annotations

import re

#: A tag with its name and the rest; ">" may stand in quoted attribute values.
_TAG = re.compile(rb"<(/?)([^\s<>/'\"?!]+)([^<>'\"]*(?:'[^']*'[^<>'\"]*|\"[^\"]*\"[^<>'\"]*)*)>")
_STREAM = b"stream:stream"
_MESSAGE_END = b"</message>"


class ElementSplitter:
    """Bytes in, whole elements out; the stream's own start and end tag count as elements."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the elements that `data` completes."""
        if self._rest:
            data = self._rest + data
        elif data.startswith(b"<message") and data.endswith(_MESSAGE_END) and data.count(_MESSAGE_END) == 1:
            return [data]  # nearly every read of a chat is one message
        elements: list[bytes] = []
        start = depth = 0
        for tag in _TAG.finditer(data):
            closing, name, attributes = tag.groups()
            if depth == 0:
                start = tag.start()
                if name == _STREAM:
                    elements.append(tag.group())
                    start = tag.end()
                    continue
            if closing:
                depth -= 1
            elif not attributes.endswith(b"/"):
                depth += 1
            if depth == 0:
                elements.append(data[start : tag.end()])
                start = tag.end()
        self._rest = data[start:] if start < len(data) else b""
        return elements


def attribute(element: bytes, name: bytes) -> bytes | None:
    """Read an attribute of the element's start tag as it stands there, None if it has none."""
    head = element[: element.find(b">")]
    for quote in (b"'", b'"'):
        begin = head.find(b" " + name + b"=" + quote)
        if begin >= 0:
            begin += len(name) + 3
            return head[begin : head.find(quote, begin)]
    return None
