"""Drives pyexpat over one stream's content and logs where first-level elements end."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType, errors

from xmpp_server.errors import StreamCondition, StreamError

from .events import ScanLimits, StreamHeader
from .namespaces import CONTENT, STREAM
from .parser import attribute_keys
from .stanza import STANDARD_SCOPE, Scope
from .writer import escape_attr

#: Expat writes a namespace out in each name of an element or attribute where a short prefix stood: what fits into a
#: stanza could fill the memory. So long is a name with its namespace, twice as long are those of all attributes of one
#: element; and a namespace that a stream header puts in force.
NAME_CHARS: Final = 1024
NAMESPACE_CHARS: Final = 256

_STREAM_TAG = f"{STREAM} stream"
_ROOT_NAME = re.compile(rb"<([^\s/>?!]+)[^<]*\Z")

#: Tag, attributes and child tags of a first-level element, and expat's index at its end; None: the root's end.
Entry = tuple[str, dict[str, str], tuple[str, ...], int] | None

_CONDITIONS = {
    errors.codes[errors.XML_ERROR_UNBOUND_PREFIX]: StreamCondition.BAD_NAMESPACE_PREFIX,
    errors.codes[errors.XML_ERROR_UNDEFINED_ENTITY]: StreamCondition.RESTRICTED_XML,
    errors.codes[errors.XML_ERROR_UNKNOWN_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
    errors.codes[errors.XML_ERROR_INCORRECT_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
}


class ContentParser:
    """An expat parser inside an open root element, good for many streams of one scope, one after another.

    `parse(data, False)` fills `log`; it raises ExpatError, or StreamError for what XMPP forbids or the limits refuse.
    """

    __slots__ = ("expat", "fed", "log", "names", "parse", "shelf")

    def __init__(
        self,
        scope: Scope,
        limits: ScanLimits,
        root: str = "stream:stream",
        shelf: list[ContentParser] | None = None,
    ) -> None:
        #: Where it is kept while no stream needs it; None if it serves one stream only.
        self.shelf = shelf
        #: The names of elements and attributes that it keeps.
        self.names: dict[str, str] = {}
        self.expat: XMLParserType = ParserCreate("UTF-8", " ", self.names)
        self.log: list[Entry] = []
        self.parse: Callable[[bytes | bytearray | memoryview, bool], int] = self.expat.Parse
        head = _root_start(scope, root)
        self.parse(head, False)
        #: Bytes fed since the parser was made, as expat's index counts them.
        self.fed = len(head)
        _watch_content(self.expat, self.log, limits)
        _refuse_restricted(self.expat)

    @property
    def is_waiting(self) -> bool:
        """True if the last bytes are an unfinished token, which expat would scan again from its start."""
        return self.expat.CurrentByteIndex != self.fed

    def close(self) -> None:
        """Break the cycle of parser and handlers, which the garbage collector would find late."""
        self.expat.StartElementHandler = None
        self.expat.EndElementHandler = None
        self.shelf = None


def _watch_content(expat: XMLParserType, log: list[Entry], limits: ScanLimits) -> None:
    """Set the handlers; all they share are local variables, the fastest that Python has."""
    max_depth, max_elements, max_attributes = limits.depth, limits.elements, limits.attributes
    depth = 0  # 0: between first-level elements
    deeper = 0  # elements below the children
    top = ""
    top_attrs: dict[str, str] = {}
    children: list[str] = []

    def start(name: str, attrs: dict[str, str]) -> None:
        nonlocal depth, deeper, top, top_attrs
        if depth == 1:
            children.append(name)
            depth = 2
        elif depth:
            depth += 1
            deeper += 1
            if depth > max_depth or deeper > max_elements:
                _refuse_excess("elements")
        else:
            if name == _STREAM_TAG:  # it would never end
                raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)
            depth = 1
            deeper = 0
            top = name
            top_attrs = attrs
        if len(name) > NAME_CHARS or (attrs and len("".join(attrs)) > 2 * NAME_CHARS):
            _refuse_excess("characters in names")
        if len(attrs) > max_attributes:
            _refuse_excess("attributes")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1
        if depth > 0:
            return
        if depth < 0:
            log.append(None)
            return
        if len(children) + deeper >= max_elements:
            _refuse_excess("elements")
        log.append((top, top_attrs, tuple(children), expat.CurrentByteIndex))
        children.clear()

    expat.StartElementHandler = start
    expat.EndElementHandler = end


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """What the bytes before a stream's content say."""

    header: StreamHeader
    scope: Scope
    #: The name of the root element as written, prefix included.
    root: str
    #: The root element is empty already.
    is_closed: bool


def read_header(data: bytes, limits: ScanLimits) -> OpenedStream | None:
    """Read a stream header from the beginning of the document; None if `data` does not reach to its end.

    Raises:
        StreamError: not well-formed, or not XMPP.

    """
    parser = _HeaderParser(limits)
    parser.parse(data)
    header = parser.header
    if header is None:
        return None
    return OpenedStream(header, _scope_of(header), _root_name(data), parser.is_closed)


class _HeaderParser:
    """Reads a stream header with what may stand before it: white space is stripped, an XML declaration checked."""

    def __init__(self, limits: ScanLimits) -> None:
        self.header: StreamHeader | None = None
        self.is_closed = False
        self._limits = limits
        self._default_ns = ""
        self._namespaces: dict[str, str] = {}

    def parse(self, data: bytes) -> None:
        expat = ParserCreate("UTF-8", " ")
        expat.StartElementHandler = self._start
        expat.EndElementHandler = self._end
        expat.StartNamespaceDeclHandler = self._declare
        expat.XmlDeclHandler = _check_declaration
        _refuse_restricted(expat)
        try:
            expat.Parse(data, False)
        except ExpatError as error:
            raise stream_error(error, data, expat.ErrorByteIndex) from None

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        if uri is not None and len(uri) > NAMESPACE_CHARS:
            _refuse_excess("characters in a namespace")
        if prefix is None:
            self._default_ns = uri or ""
        elif prefix != "xml":
            self._namespaces[prefix] = uri or ""

    def _start(self, tag: str, attrs: dict[str, str]) -> None:
        ns, _, name = tag.rpartition(" ")
        if name != "stream":
            raise StreamError(StreamCondition.BAD_FORMAT, "The root element is not a stream")
        if ns != STREAM:
            raise StreamError(StreamCondition.INVALID_NAMESPACE)
        if len(attrs) > self._limits.attributes:
            _refuse_excess("attributes")
        self.header = StreamHeader(attribute_keys(attrs), self._namespaces, self._default_ns, name, ns)

    def _end(self, _name: str) -> None:
        self.is_closed = True


def _scope_of(header: StreamHeader) -> Scope:
    """Return what the header puts in force; the content namespaces become one."""
    default = STANDARD_SCOPE.default if header.default_ns in CONTENT else header.default_ns
    scope = Scope(default, header.namespaces)
    return STANDARD_SCOPE if scope.is_standard else scope


def _root_name(header: bytes) -> str:
    match = _ROOT_NAME.search(header)
    assert match is not None  # noqa: S101 - the header is well-formed
    return match[1].decode()


def stream_error(error: ExpatError, data: bytes, at: int) -> StreamError:
    """Translate expat's error at `at` in `data`, all from the beginning of the element to the last byte fed."""
    condition = _CONDITIONS.get(error.code, StreamCondition.NOT_WELL_FORMED)
    if data[max(0, at - 2) : at] == b"<!":  # a DTD inside the root element is no token that expat knows
        return StreamError(StreamCondition.RESTRICTED_XML)
    if condition is StreamCondition.NOT_WELL_FORMED:
        try:
            data.decode()
        except UnicodeDecodeError:  # RFC 6120 §4.9.3.22: "violating the rules of the UTF-8 encoding"
            condition = StreamCondition.UNSUPPORTED_ENCODING
    return StreamError(condition)


def _root_start(scope: Scope, root: str) -> bytes:
    declarations = "".join([f" xmlns:{prefix}='{escape_attr(ns)}'" for prefix, ns in scope.prefixes.items()])
    default = f" xmlns='{escape_attr(scope.default)}'" if scope.default else ""
    return f"<{root}{default}{declarations}>".encode()


def _refuse_restricted(expat: XMLParserType) -> None:
    """Refuse what RFC 6120 §11.1 excludes; an internal subset is not even read."""
    expat.StartDoctypeDeclHandler = _restricted
    expat.ProcessingInstructionHandler = _restricted
    expat.CommentHandler = _restricted


def _restricted(*_: object) -> NoReturn:
    raise StreamError(StreamCondition.RESTRICTED_XML)


def _check_declaration(version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.upper() != "UTF-8":
        raise StreamError(StreamCondition.UNSUPPORTED_ENCODING)
    if version != "1.0":
        raise StreamError(StreamCondition.NOT_WELL_FORMED, "XML is not version 1.0")


def _refuse_excess(what: str) -> NoReturn:
    raise StreamError(StreamCondition.POLICY_VIOLATION, f"Too many {what}")
