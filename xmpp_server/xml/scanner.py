"""Finds the stanzas in a byte stream, checks them wholly, and keeps their bytes (RFC 6120 §4, §11).

At any chunking of the same bytes the events are the same: expat gets only whole pieces that end with ">", the
limits count pieces, and a large block that went wrong is looked at again piece by piece.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers.expat import ExpatError

from xmpp_server.errors import StreamCondition, StreamError

from .events import Event, ScanLimits, StreamFooter, StreamHeader
from .expat import ContentParser, stream_error
from .namespaces import CLIENT
from .parser import attribute_keys
from .pool import SHARED_POOL, ParserPool
from .stanza import STANDARD_SCOPE, Scope, Stanza, start_tag_end

__all__ = ["Event", "ParserPool", "ScanLimits", "Scanner", "StreamFooter", "StreamHeader"]

#: So often the bytes of the stanza limit may be scanned again, because a ">" did not end a token.
MAX_RESCANS: Final = 16
#: A stream header has at most so many bytes: all that follows is parsed with what it declares.
HEADER_BYTES: Final = 10_000
#: So many bytes may be parsed in vain, in the hope that they are one whole element.
MAX_SINGLE_BYTES: Final = 4_096

_LT, _SLASH, _GT = b"</>"
# White space, then what shows that no element follows: text (CDATA is text, too), a comment or a DTD.
_GAP = re.compile(rb"[ \t\r\n]*([^< \t\r\n]|<!\[|<!(?=[^\[]))?")
# Tag -> local name, beginning of the start tag, its length.
_KNOWN = {f"{CLIENT} {name}": (name, f"<{name}".encode(), len(name) + 1) for name in ("message", "presence", "iq")}
_FOOTER = StreamFooter()


class Scanner:
    """Turns the bytes of one stream into a header, stanzas and a footer; an error ends it.

    While `step` is set, because what comes next depends on what a stanza leads to, `feed` returns one event at most
    and looks at no byte behind it; `feed(b"")` goes on.
    """

    __slots__ = (
        "_buffer",
        "_fed",
        "_is_open",
        "_is_over",
        "_limits",
        "_parser",
        "_pool",
        "_rescanned",
        "_root",
        "_scope",
        "_searched",
        "_shelf",
        "step",
    )

    def __init__(self, limits: ScanLimits, pool: ParserPool = SHARED_POOL) -> None:
        self.step = True
        self._pool = pool
        self.limits = limits
        self._buffer = bytearray()  # from the end of the last element on
        self._parser: ContentParser | None = None
        self._fed = 0  # how much of the buffer the parser knows
        self._is_over = False
        self.reset()

    @property
    def limits(self) -> ScanLimits:
        """May be set between two calls of `feed`; an element that has begun keeps its limits of nesting."""
        return self._limits

    @limits.setter
    def limits(self, limits: ScanLimits) -> None:
        self._limits = limits
        self._shelf = self._pool.shelf(limits)

    @property
    def pending(self) -> int:
        """Bytes that wait for more, or in step mode for the next call."""
        return len(self._buffer)

    def skip_whitespace(self) -> None:
        """Drop white space that waits between two elements."""
        self._consume(len(self._buffer) - len(self._buffer.lstrip(b" \t\r\n")))

    def reset(self) -> None:
        """Expect a stream header next (RFC 6120 §4.3.3); bytes that wait stay."""
        self._is_open = False
        self._scope: Scope = STANDARD_SCOPE
        self._root = ""
        self._rescanned = 0  # bytes of the unfinished element that were scanned in vain, added up
        self._searched: int = 0  # there is no ">" in the buffer from _fed up to here
        if not self._fed:
            self._release_parser()
        self._forget_parser()

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes as they came; return what they complete. Never raises for anything in them."""
        events: list[Event] = []
        if self._is_over:
            return events
        try:
            if self._is_open and not self.step and not self._buffer:
                self._scan_block(data if type(data) is bytes else bytes(data), events)
            else:
                self._buffer += data
                self._scan_buffer(events)
        except StreamError as error:
            error.__context__ = None
            events.append(error.with_traceback(None))  # else the event holds the events, and they it
            self.close()
        return events

    def close(self) -> None:
        """Take no more bytes; to be called when the connection is gone, for it frees the parser at once."""
        self._is_over = True
        self._buffer.clear()
        self._forget_parser()

    # Below, a StreamError ends the stream, and `events` has what came before it.

    def _scan_block(self, block: bytes, events: list[Event]) -> None:
        """Scan from a stanza boundary on; the usual block ends at one, too, and is never copied."""
        cut = len(block) if block[-1:] == b">" else block.rfind(b">") + 1
        at = 0
        error = None
        if cut:
            shelf = self._shelf
            parser = shelf.pop() if shelf and self._scope is STANDARD_SCOPE else self._take_parser()
            self._parser = parser
            origin = parser.fed
            parser.fed = origin + cut
            try:
                parser.parse(block if cut == len(block) else block[:cut], False)
            except (ExpatError, StreamError) as raised:
                error = raised.with_traceback(None)  # which would hold this frame
            at = self._collect(parser, block, origin, events)
            if at == len(block) and error is None:
                self._pool.put_back(parser)
                self._parser = None
                return
        self._buffer += memoryview(block)[at:]
        self._fed = max(0, cut - at)
        self._searched = len(self._buffer)
        self._settle(error, events)

    def _scan_buffer(self, events: list[Event]) -> None:
        """Scan with bytes put aside."""
        if not self._is_open:
            self._scan_header(events)
            if not self._is_open or (events and self.step):
                return
        if self.step:
            if not self._scan_single(events):
                self._scan_piecewise(events)
            return
        cut = self._buffer.rfind(b">", self._searched) + 1
        self._searched = len(self._buffer)
        self._settle(self._parse_to(cut, events) if cut else None, events)

    def _settle(self, error: Exception | None, events: list[Event]) -> None:
        """Leave things in order after all the pieces in hand were parsed at once."""
        if self._is_over:
            return
        if error is not None:
            self._forget_parser()
            self._searched = self._rescanned = 0
            self._scan_piecewise(events, many=True)
            raise StreamError(StreamCondition.NOT_WELL_FORMED)
        self._check_gap()
        if len(self._buffer) > self._limits.stanza_bytes:
            raise _too_large()
        self._check_progress()

    def _scan_single(self, events: list[Event]) -> bool:
        """Scan bytes that are one whole element, as in nearly every step; leave all others as they are."""
        size = len(self._buffer)
        if self._fed or self._buffer[-1:] != b">" or size > min(MAX_SINGLE_BYTES, self._limits.stanza_bytes):
            return False
        parser = self._take_parser()
        origin = parser.fed
        parser.fed = origin + size
        block = bytes(self._buffer)
        found: list[Event] = []
        try:
            parser.parse(block, False)
            if len(parser.log) == 1 and parser.log[0] and self._collect(parser, block, origin, found) == size:
                self._pool.put_back(parser)
                self._consume(size)
                events += found
                return True
        except (ExpatError, StreamError) as error:
            error.__traceback__ = None  # which would hold this frame
        parser.close()
        return False

    def _scan_piecewise(self, events: list[Event], *, many: bool = False) -> None:
        """Scan from one ">" to the next, up to the first event unless `many`: the way errors are found."""
        while not events or many:
            self._check_gap()
            cut = self._buffer.find(b">", self._searched) + 1
            if (cut or len(self._buffer)) > self._limits.stanza_bytes:
                raise _too_large()
            self._searched = cut or len(self._buffer)
            if not cut:
                return
            error = self._parse_to(cut, events)
            if self._is_over:
                return
            if isinstance(error, ExpatError):
                raise stream_error(error, bytes(memoryview(self._buffer)[:cut]), self._error_at())
            if error is not None:
                raise error
            self._check_progress()

    def _parse_to(self, cut: int, events: list[Event]) -> ExpatError | StreamError | None:
        """Parse the buffer up to `cut`, collect what is complete, and return what stopped the parser."""
        if self._parser is None:
            self._parser = self._take_parser()
        parser = self._parser
        origin = parser.fed - self._fed
        piece = bytes(memoryview(self._buffer)[self._fed : cut])
        parser.fed = origin + cut
        self._fed = cut
        error: ExpatError | StreamError | None = None
        try:
            parser.parse(piece, False)
        except (ExpatError, StreamError) as raised:
            error = raised.with_traceback(None)  # which would hold this frame
        if parser.log:
            self._rescanned = 0
            self._consume(self._collect(parser, bytes(memoryview(self._buffer)[:cut]), origin, events))
        return error

    def _error_at(self) -> int:
        """Where in the buffer expat stumbled."""
        parser = self._parser
        return 0 if parser is None else parser.expat.ErrorByteIndex - parser.fed + self._fed

    def _collect(self, parser: ContentParser, block: bytes, origin: int, events: list[Event]) -> int:
        """Make stanzas of what the parser logged; return where the last one ends in `block`.

        `origin` is expat's index of the first byte of `block`.
        """
        at = 0
        scope = self._scope
        limit = self._limits.stanza_bytes
        is_standard = scope is STANDARD_SCOPE
        is_doubtful = block.find(b"stream:") >= 0  # a prefix that not every stream declares (RFC 7395)
        for entry in parser.log:
            if entry is None:
                _skip_gap(block, at)
                events.append(_FOOTER)
                self.close()
                return len(block)
            tag, attrs, children, index = entry
            end = index - origin  # of an empty-element tag the end, else the beginning of the end tag
            known = _KNOWN.get(tag)
            if known is None or block[at : at + known[2]] != known[1]:
                at = _skip_gap(block, at)
                plain = known is not None and block[at : at + known[2]] == known[1]
                ns, _, name = tag.rpartition(" ")
                length = 0
            else:
                plain = True
                ns = CLIENT
                name, _, length = known
            head_end = block.find(b">", at) + 1
            if ">" in "".join(attrs.values()):
                head_end = start_tag_end(block, at)
            if block.find(b"xml", at, head_end) >= 0:
                attrs = attribute_keys(attrs)
                if block.find(b"xmlns", at, head_end) >= 0:
                    plain = False
                    head_end = start_tag_end(block, at)  # a namespace, which is not among `attrs`, may hold a ">"
            if children or end != head_end or block[end - 2] != _SLASH:
                last = end + length + 1  # in `</name>`
                end = last + 1 if length and block[last] == _GT else block.find(b">", end) + 1
            if end - at > limit:
                raise _too_large()
            raw = block[at:end]
            plain = plain and is_standard and "from" not in attrs
            if is_doubtful and b"stream:" in raw:
                plain = False
            events.append(Stanza(name, ns, attrs, raw, children, head_end - at, plain, scope))
            at = end
        parser.log.clear()
        return at

    def _check_gap(self) -> None:
        """Drop white space before an element; nothing else may stand there (RFC 6120 §4.4, §11.1)."""
        self._consume(_skip_gap(self._buffer, 0))
        if not self._fed:
            self._release_parser()

    def _check_progress(self) -> None:
        """Start over with a new parser if the last ">" did not end a token.

        Expat would scan the token from its start each time more of it comes, or from 2.6 on not before it has
        grown to twice its size.
        """
        if self._parser is None or not self._parser.is_waiting:
            return
        self._rescanned += self._fed
        if self._rescanned > MAX_RESCANS * self._limits.stanza_bytes:
            raise _too_slow()
        self._forget_parser()

    def _scan_header(self, events: list[Event]) -> None:
        self.skip_whitespace()
        _check_encoding(self._buffer)
        while not self._is_open:
            cut = self._buffer.find(b">", self._searched) + 1
            if (cut or len(self._buffer)) > min(HEADER_BYTES, self._limits.stanza_bytes):
                raise _too_large()
            self._searched = cut or len(self._buffer)
            if not cut:
                return
            self._rescanned += cut
            if self._rescanned > MAX_RESCANS * self._limits.stanza_bytes:
                raise _too_slow()
            self._parse_header(cut, events)

    def _parse_header(self, cut: int, events: list[Event]) -> None:
        opened = self._pool.header(bytes(memoryview(self._buffer)[:cut]), self._limits)
        if opened is None:
            return
        self._is_open = True
        self._scope = opened.scope
        self._root = opened.root
        self._consume(cut)
        self._searched = self._rescanned = 0
        if opened.is_closed:  # <stream:stream/> says the same as a start tag and an end tag
            self._buffer[:0] = f"</{self._root}>".encode()
        events.append(opened.header)

    def _consume(self, count: int) -> None:
        if count:
            del self._buffer[:count]
            self._fed = max(0, self._fed - count)
            self._searched = max(0, self._searched - count)

    def _take_parser(self) -> ContentParser:
        if self._scope is not STANDARD_SCOPE:
            return ContentParser(self._scope, self._limits, self._root)
        shelf = self._shelf
        return shelf.pop() if shelf else ContentParser(STANDARD_SCOPE, self._limits, shelf=shelf)

    def _release_parser(self) -> None:
        """Give back a parser that stands between two elements."""
        if self._parser is not None:
            self._pool.put_back(self._parser)
            self._parser = None

    def _forget_parser(self) -> None:
        """Give up a parser that stands anywhere."""
        self._fed = 0
        if self._parser is not None:
            self._parser.close()
            self._parser = None


def _skip_gap(data: bytes | bytearray, at: int) -> int:
    """Return where the next element begins; white space may stand before it (RFC 6120 §4.6.1)."""
    match = _GAP.match(data, at)
    assert match is not None  # noqa: S101 - it matches the empty string, too
    found = match[1]
    if found is None:
        return int(match.end())
    raise StreamError(StreamCondition.RESTRICTED_XML if found == b"<!" else StreamCondition.BAD_FORMAT)


def _check_encoding(data: bytearray) -> None:
    """Tell early what cannot become a stream header: UTF-16 in its disguises, or another protocol."""
    if data.startswith((b"\xff", b"\xfe", b"\0", b"<\0")):
        raise StreamError(StreamCondition.UNSUPPORTED_ENCODING)
    if data and data[0] != _LT:
        raise StreamError(StreamCondition.NOT_WELL_FORMED)


def _too_large() -> StreamError:
    return StreamError(StreamCondition.POLICY_VIOLATION, "Too large")


def _too_slow() -> StreamError:
    return StreamError(StreamCondition.POLICY_VIOLATION, "A tag came in too many pieces")
