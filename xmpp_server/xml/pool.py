"""Shares expat parsers between streams: an idle stream holds none (they take 10 to 15 KiB each)."""

from __future__ import annotations

from typing import Final

from .events import ScanLimits
from .expat import ContentParser

#: Expat keeps every name it has seen: a parser is given up after so many names, or so many bytes.
MAX_NAMES: Final = 2_000
MAX_BYTES: Final = 1_048_576


class ParserPool:
    """Parsers of the standard scope that stand between two stanzas."""

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._shelves: dict[ScanLimits, list[ContentParser]] = {}

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
