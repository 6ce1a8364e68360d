"""XEP-0045 §7.2.13-7.2.14: what was said lately, and how much of it a newcomer gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape

import msgspec

from xmpp_server.jid import JID

_FROM = b" from='"
#: A room keeps no more, but for a last line that is longer: each newcomer may get all of it, and accounts have rooms.
MAX_BYTES = 524_288
#: What `seconds` is cut at: some 30 years.
_MAX_SECONDS = 1e9


class Line(msgspec.Struct, frozen=True, array_like=True):
    """Something that was said: a message, open at the place where the receiver's address goes."""

    stamp: datetime
    head: bytes
    tail: bytes
    #: The id that the room has given to it, and the occupant id of its author, or nothing: by these it is retracted.
    stable_id: str = ""
    author: str = ""

    @property
    def size(self) -> int:
        """How many bytes it is."""
        return len(self.head) + len(self.tail)

    @property
    def sender(self) -> JID:
        """Who has said it, or the room."""
        begin = self.head.index(_FROM) + len(_FROM)
        return JID.parse(unescape(self.head[begin : self.head.index(b"'", begin)].decode()))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much history is asked for; None where nothing was said. `since` is aware UTC."""

    max_chars: int | None = None
    max_stanzas: int | None = None
    seconds: float | None = None
    since: datetime | None = None

    @property
    def unlimited(self) -> bool:
        """Whether nothing at all was said."""
        return self == Wanted()


class History:
    """The last lines of a room."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines = deque(lines)
        self._bytes = sum(line.size for line in self.lines)
        #: Whether there is something that storage has not.
        self.unsaved = False

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def add(self, line: Line, limit: int) -> None:
        """Keep a line; the oldest above `limit` go."""
        self.lines.append(line)
        self._bytes += line.size
        self.trim(limit)

    def replace(self, index: int, line: Line) -> None:
        """Keep something else in the place of a line."""
        self._bytes += line.size - self.lines[index].size
        self.lines[index] = line
        self.unsaved = True

    def trim(self, limit: int) -> None:
        """Let the oldest go."""
        while len(self.lines) > limit or (self._bytes > MAX_BYTES and len(self.lines) > 1):
            self._bytes -= self.lines.popleft().size
        self.unsaved = True

    def chosen(self, wanted: Wanted, now: datetime, limit: int, address_chars: int) -> list[Line]:
        """Return the latest lines that meet all limits, oldest first; `address_chars` is the receiver's address."""
        count = limit if wanted.max_stanzas is None else min(limit, wanted.max_stanzas)
        oldest = wanted.since
        if wanted.seconds is not None:
            begin = now - timedelta(seconds=min(max(wanted.seconds, 0), _MAX_SECONDS))
            oldest = begin if oldest is None else max(oldest, begin)
        chars = wanted.max_chars
        found: list[Line] = []
        for line in reversed(self.lines):
            if len(found) >= count or (oldest is not None and line.stamp < oldest):
                break
            if chars is not None:
                chars -= len(line.head.decode()) + address_chars + len(line.tail.decode())
                if chars < 0:
                    break
            found.append(line)
        found.reverse()
        return found
