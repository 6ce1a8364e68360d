"""Shares between streams what costs time or memory: expat parsers (10 to 15 KiB each), and headers read before."""

from __future__ import annotations

from typing import Final

from .events import ScanLimits
from .expat import ContentParser, OpenedStream, read_header

#: Expat keeps every name it has seen: a parser is given up after so many names, or so many bytes.
MAX_NAMES: Final = 2_000
MAX_BYTES: Final = 1_048_576
#: So many stream headers are remembered, each of at most so many bytes.
MAX_HEADERS: Final = 256
MAX_HEADER_BYTES: Final = 512


class ParserPool:
    """Parsers of the standard scope that stand between two stanzas, and what stream headers say.

    An idle stream holds no parser. A client sends the same header up to three times, and so does the next of its kind.
    """

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._shelves: dict[ScanLimits, list[ContentParser]] = {}
        self._headers: dict[bytes, OpenedStream | None] = {}

    def header(self, data: bytes, limits: ScanLimits) -> OpenedStream | None:
        """Do as `read_header` does; what was read before is not parsed again."""
        if data in self._headers:
            return self._headers[data]
        opened = read_header(data, limits)
        if len(data) <= MAX_HEADER_BYTES:
            if len(self._headers) >= MAX_HEADERS:
                self._headers.clear()
            self._headers[data] = opened
        return opened

    def shelf(self, limits: ScanLimits) -> list[ContentParser]:
        """Return the parsers that keep these limits; to be taken from with `pop`."""
        return self._shelves.setdefault(limits, [])

    def put_back(self, parser: ContentParser) -> None:
        """Keep a parser for the next stream, unless it is worn or made for one stream only."""
        shelf = parser.shelf
        if shelf is None or parser.fed > MAX_BYTES or len(parser.names) > MAX_NAMES or len(shelf) >= self._size:
            parser.close()
        else:
            shelf.append(parser)


#: A cache, and no state: whoever takes a parser has it alone, and finds it as good as new.
SHARED_POOL: Final = ParserPool()
