"""Content types: their syntax, which ones are taken, and which ones a browser may show."""

from __future__ import annotations

import re
from collections.abc import Iterable

UNKNOWN = "application/octet-stream"
MAX_CHARS = 200

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rf"(?:{_NAME}|\"[\x20\x21\x23-\x5b\x5d-\x7e]*\")"
# RFC 9110 §8.3.1. Printable ASCII only, so that it can stand in a header as it is.
_MEDIA_TYPE = re.compile(rf"({_NAME}/{_NAME})((?:[ \t]*;[ \t]*{_NAME}={_VALUE})*)")


def parsed(text: str) -> str | None:
    """Return a content type ready to stand in a header, type and subtype in lower case; None if it is malformed."""
    text = text.strip()
    match = _MEDIA_TYPE.fullmatch(text) if len(text) <= MAX_CHARS else None
    return match[1].lower() + match[2] if match else None


def essence(content_type: str) -> str:
    """Return "type/subtype" without parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_in(content_type: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns fits: "image/png", "image/*" or "*/*"."""
    own = essence(content_type)
    return any(
        pattern in (own, "*/*") or (pattern.endswith("/*") and own.startswith(pattern[:-1])) for pattern in patterns
    )
