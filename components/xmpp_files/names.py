"""File names that strangers chose: what is kept of them, and how they stand in URLs and headers."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

#: Most file systems take 255 bytes; percent-encoding triples what is not ASCII, and links are read by people.
MAX_BYTES = 180
_EXTENSION_BYTES = 20
#: Of a longer name only the beginning and the end are looked at: normalizing takes more than linear time.
_LOOKED_AT = (900, 100)
# Controls, separators of lines and paths, what reorders text, lone surrogates, private and unassigned characters.
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SPACES = re.compile(r"\s+")


def cleaned(filename: str) -> str:
    """Return the name without folders, controls and tricks, its extension intact; "" if nothing is left.

    Names never become paths on our disk; this protects who downloads.
    """
    base = re.split(r"[/\\]", filename)[-1]
    if len(base) > sum(_LOOKED_AT):
        base = base[: _LOOKED_AT[0]] + base[-_LOOKED_AT[1] :]
    base = unicodedata.normalize("NFC", base)
    base = "".join(" " if character in "\t\n\r" else character for character in base)
    base = "".join(character for character in base if unicodedata.category(character) not in _BAD_CATEGORIES)
    base = _SPACES.sub(" ", base).strip(" .")
    return _shortened(base)


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > _EXTENSION_BYTES:
        stem, tail = name, ""
    else:
        tail = dot + extension
    room = MAX_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + tail


def in_url(name: str) -> str:
    """Percent-encode a name as one path segment (XEP-0363 §3: only RFC 3986's characters)."""
    return quote(name, safe="")


def content_disposition(kind: str, name: str) -> str:
    """Return the header's value (RFC 6266): a plain ASCII name for old clients, the real one for the others."""
    ascii_name = "".join(character if " " <= character <= "~" else "_" for character in name)
    ascii_name = re.sub(r'["\\%;]', "_", ascii_name)
    encoded = quote(name, safe="!#$&+-.^_`|~")  # RFC 8187 §3.2.1: attr-char
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}"
