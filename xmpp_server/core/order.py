"""When a hook's handler runs, relative to the others."""

from __future__ import annotations

from enum import IntEnum


class Order(IntEnum):
    """The stations of a stanza, in the order in which it passes them."""

    POLICY = 1
    """Refuse or drop: block lists, rate limits, spoofed payloads."""
    ANNOTATE = 2
    """Replace the stanza by an annotated copy: stable ids, stripped forgeries."""
    ARCHIVE = 3
    """Hand it to the archive."""
    COPY = 4
    """Copy it to other resources of the account."""
    PUSH = 5
    """Tell push services."""
    DELIVER = 6
    """Give it to its recipients; consumes what was delivered."""
    FALLBACK = 7
    """What nobody took: offline storage, errors."""
