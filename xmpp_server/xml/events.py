"""What the scanner makes of a byte stream, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from xmpp_server.errors import StreamError

from .parser import MAX_DEPTH
from .stanza import Stanza


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What one first-level element may take; more is a policy-violation (RFC 6120 §13.12).

    `stanza_bytes` holds for the stream header, too, if it is less than `scanner.HEADER_BYTES`; `elements` counts the
    stanza itself and all in it, `depth` the levels including its own; `attributes` is for each element.
    """

    stanza_bytes: int = 262_144
    elements: int = 10_000
    depth: int = 100
    attributes: int = 100

    def __post_init__(self) -> None:
        if not 2 <= self.depth <= MAX_DEPTH:
            raise ValueError(f"depth must be from 2 to {MAX_DEPTH}")

    @classmethod
    def before_auth(cls) -> Self:
        """The limits for a peer that we do not know yet: the least that RFC 6120 §13.12 allows."""
        return cls(stanza_bytes=10_000, elements=32, depth=16)


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """The start tag of the root element (RFC 6120 §4.7)."""

    #: Keys as in `Element.attrs`.
    attrs: dict[str, str]
    #: The prefixes that it declares.
    namespaces: Mapping[str, str]
    default_ns: str
    name: str
    ns: str


@dataclass(frozen=True, slots=True)
class StreamFooter:
    """The end tag of the root element: the peer closes its direction (RFC 6120 §4.4)."""


#: A StreamError stands last: the bytes behind it are not looked at.
Event = StreamHeader | Stanza | StreamFooter | StreamError
