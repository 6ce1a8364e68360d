"""Parts of a file over HTTP: Range, If-Range and entity tags (RFC 9110 §8.8.3, §13.1, §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class UnsatisfiableError(Exception):
    """Nothing of the file is within the range: 416."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes it is."""
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """Return the header's value for a 206 (§14.4)."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def part(header: str | None, size: int) -> Part | None:
    """Return what one range asks for, or None where the whole file is to be sent.

    That is so without a header, for malformed ones and for several ranges, which a server may ignore (§14.2).

    Raises:
        UnsatisfiableError: The range begins behind the end.

    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        suffix = int(match[2])
        if suffix == 0 or size == 0:
            raise UnsatisfiableError
        return Part(max(0, size - suffix), size)
    start = int(match[1])
    end = int(match[2]) + 1 if match[2] else size
    if match[2] and end <= start:
        return None  # "5-4" is malformed, not empty
    if start >= size:
        raise UnsatisfiableError
    return Part(start, min(end, size))


def range_applies(if_range: str | None, etag: str) -> bool:
    """Tell whether a Range is to be heeded: the client's part is of this very file (§13.1.5: strong comparison)."""
    return if_range is None or if_range.strip() == etag


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Tell whether the client has the file already (§13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(tag.removeprefix("W/") == etag for tag in _TAG.findall(if_none_match))
