"""A first-level element of a stream as bytes, with the few facts that routing needs (RFC 6120 §8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID

from .element import Element
from .namespaces import CLIENT, CONTENT, STREAM
from .parser import parse
from .writer import serialize

#: So many bytes a stanza may grow when its tree is written: what was a short prefix is a namespace then, in each
#: element. What grows more is more than others take of us.
MAX_GROWTH: Final = 65_536

_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")
_NAME = re.compile(rb"<[^\s/>]+")
#: What stands for something else in character data: a reference, a CDATA section, a line end to be normalized.
_MARKED = re.compile(rb"[&<\r]")


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that a stream header puts in force for all that follows.

    `default` is jabber:client whichever content namespace the header named (RFC 6120 §4.8.2), so that stanzas
    of servers and components read the same.
    """

    default: str = CLIENT
    prefixes: Mapping[str, str] = field(default_factory=lambda: {"stream": STREAM})

    @property
    def is_standard(self) -> bool:
        """True if bytes of this stream mean the same on any stream that we write."""
        return self.default == CLIENT and self.prefixes == {"stream": STREAM}


STANDARD_SCOPE: Final = Scope()


class Receipt(Protocol):
    """What whoever has a received stanza in hands that could fail holds, and releases when it is safe."""

    nudge: Callable[[], None] | None

    def hold(self) -> None:
        """Say that the stanza is not safe yet."""
        ...

    def release(self) -> None:
        """Say that the stanza is safe as far as this holder goes."""
        ...


class Stanza:
    """One first-level element of a stream: a stanza, or an element of negotiation or stream management.

    `raw` is what the peer sent, byte by byte. `stamp` makes `wire` out of it; after that nothing changes.
    """

    __slots__ = (
        "_element",
        "_split",
        "attrs",
        "children",
        "head_end",
        "id",
        "name",
        "ns",
        "plain",
        "raw",
        "receipt",
        "scope",
        "sender",
        "stable_id",
        "to",
        "type",
        "wire",
    )

    def __init__(
        self,
        name: str,
        ns: str,
        attrs: dict[str, str],
        raw: bytes,
        children: tuple[str, ...],
        head_end: int,
        plain: bool,
        scope: Scope = STANDARD_SCOPE,
    ) -> None:
        self.name = name
        self.ns = ns
        self.attrs = attrs
        self.raw = raw
        #: Tags of the direct child elements.
        self.children = children
        #: Offset in `raw` just behind the start tag.
        self.head_end = head_end
        #: The start tag can be patched bytewise: no xmlns, no `from`, and nothing hangs on the stream header.
        self.plain = plain
        self.scope = scope
        self.type = attrs.get("type")
        self.id = attrs.get("id")
        self.sender: JID | None = None
        self.to: JID | None = None
        self.wire: bytes = b""
        #: The XEP-0359 id that this server gave the message.
        self.stable_id: str | None = None
        #: Says that the stanza is not safe yet (see `core.receipts`); copies share it.
        self.receipt: Receipt | None = None
        self._element: Element | None = None
        self._split: tuple[bytes, bytes] | None = None

    @classmethod
    def build(cls, element: Element, sender: JID | None, to: JID | None) -> Self:
        """Make a stanza of our own; `from` and `to` are taken from the arguments alone.

        Raises:
            ValueError: the element holds what XML cannot say.

        """
        top = Element(element.name, element.ns)
        if sender is not None:
            top.attrs["from"] = str(sender)
        if to is not None:
            top.attrs["to"] = str(to)
        for key, value in element.attrs.items():
            if key not in ("from", "to"):
                top.attrs[key] = value
        top.children = element.children
        raw = serialize(top)
        tags = tuple([child.tag for child in top.elements()])
        stanza = cls(top.name, top.ns, top.attrs, raw, tags, _head_end(raw), False)
        stanza._element = top
        return stanza.addressed(sender, to)

    def addressed(self, sender: JID | None, to: JID | None) -> Self:
        """Declare a stanza of our own, whose `raw` names both, ready to go out as it is."""
        self.sender = sender
        self.to = to
        self.wire = self.raw
        return self

    @property
    def element(self) -> Element:
        """The element tree, parsed at the first call; to be read only.

        It shows `wire` if the stanza is stamped, else `raw`.
        """
        if self._element is None:
            self._element = parse(self.wire) if self.wire else self._parse_raw()
        return self._element

    @property
    def text(self) -> str:
        """The character data of an element without children; without a tree where it stands there as it is."""
        if self.children or self.scope is not STANDARD_SCOPE:
            return self.element.text
        text = self.raw[self.head_end : self.raw.rfind(b"</")]
        return self.element.text if _MARKED.search(text) else text.decode()

    def stamp(self, sender: JID, to: JID | None, prefix: bytes, lang: str | None = None) -> None:
        """Make `wire`: the stanza as it goes out, with `from` set by us (RFC 6120 §8.1.2.1).

        `prefix` is ` from='…'`, and ` xml:lang='…'` behind it for a stanza that has no xml:lang of its own
        (§8.1.5); both escaped. `lang` is that language again, for stanzas which cannot be patched bytewise.

        Raises:
            StreamError: policy-violation; written for any stream, it is far longer than what the peer has sent.

        """
        self.sender = sender
        self.to = to
        raw = self.raw
        if self.plain:
            at = len(self.name) + 1
            self.wire = raw[:at] + prefix + raw[at:]
            return
        self._element = None
        if self._is_forwardable():
            head = _without(raw, self.head_end, (b"from", b"xmlns"))
            at = len(self.name) + 1
            self.wire = head[:at] + prefix + head[at:] + raw[self.head_end :]
            return
        top = self._parse_raw()
        attrs = {"from": str(sender)}
        if lang is not None:
            attrs["xml:lang"] = lang
        attrs.update((key, value) for key, value in top.attrs.items() if key != "from")
        top.attrs = attrs
        if top.ns in CONTENT:
            _rename(top, top.ns)
        wire = serialize(top)
        if has_grown(raw, wire):
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Too many long namespaces")
        self.wire = wire
        self._element = top

    def accept(self, sender: JID, to: JID | None) -> None:
        """Make `wire` of a stanza whose own `from` was found to be right: its very bytes, where nothing forbids it."""
        head = self.raw[: self.head_end]
        if self.attrs.get("from") == sender and b"xmlns" not in head and self._is_forwardable():
            self.sender = sender
            self.to = to
            self.wire = self.raw
            self._element = None
        else:
            self.stamp(sender, to, b" from='%b'" % sender.encoded)

    def splice(self, extra: bytes) -> bytes:
        """Return `wire` with `extra` (written for the default namespace jabber:client) before the end tag."""
        wire = self.wire
        if wire.endswith(b"/>") and _head_end(wire) == len(wire):
            name = _name(wire)
            return b"%b>%b</%b>" % (wire[:-2], extra, name)
        at = wire.rindex(b"</")
        return wire[:at] + extra + wire[at:]

    def annotated(self, extra: bytes, *tags: str) -> Stanza:
        """Return a copy with `extra` before the end tag, whose elements have these tags ("ns name")."""
        copy = Stanza(self.name, self.ns, self.attrs, self.raw, self.children + tags, self.head_end, False, self.scope)
        copy.sender = self.sender
        copy.to = self.to
        copy.receipt = self.receipt
        copy.stable_id = self.stable_id
        copy.wire = self.splice(extra)
        return copy

    def readdressed(self, to: JID) -> bytes:
        """Return `wire` with another `to`, or one where there was none."""
        if self._split is None:
            wire = self.wire
            head_end = _head_end(wire)
            at = len(_name(wire)) + 1
            head = _without(wire, head_end, (b"to",))
            self._split = (head[:at] + b" to='", b"'" + head[at:] + wire[head_end:])
        head, tail = self._split
        return head + to.encoded + tail

    def __repr__(self) -> str:
        return f"<Stanza {self.name} {self.attrs!r} {len(self.raw)} bytes>"

    def _parse_raw(self) -> Element:
        if self.scope is STANDARD_SCOPE:
            return parse(self.raw)
        return parse(self.raw, self.scope.default, self.scope.prefixes)

    def _is_forwardable(self) -> bool:
        """True if all behind the start tag means the same on any stream that we write."""
        head = self.raw[: self.head_end]
        return (
            self.ns == CLIENT
            and self.scope.default == CLIENT
            and b"xmlns:" not in head
            and not any(f"{prefix}:".encode() in self.raw for prefix in self.scope.prefixes)
            and _name(head) == self.name.encode()
        )


def has_grown(before: bytes, after: bytes) -> bool:
    """Tell whether what was written of a tree is much longer than what a peer had written (see `MAX_GROWTH`)."""
    return len(after) - len(before) > MAX_GROWTH


def start_tag_end(data: bytes | bytearray, start: int) -> int:
    """Return the offset just behind the well-formed start tag at `start`."""
    match = _NAME.match(data, start)
    assert match is not None  # noqa: S101 - the caller has validated the start tag
    at = match.end()
    while (match := _ATTRIBUTE.match(data, at)) is not None:
        at = match.end()
    return data.index(b">", at) + 1


def _head_end(data: bytes) -> int:
    return start_tag_end(data, 0)


def _name(data: bytes) -> bytes:
    match = _NAME.match(data)
    assert match is not None  # noqa: S101 - a validated start tag
    return match[0][1:]


def _without(data: bytes, head_end: int, names: tuple[bytes, ...]) -> bytes:
    """Return the start tag at the beginning of `data`, less some attributes."""
    at = len(_name(data)) + 1
    parts = [data[:at]]
    while (match := _ATTRIBUTE.match(data, at, head_end)) is not None:
        if match[1] not in names:
            parts.append(match[0])
        at = match.end()
    parts.append(data[at:head_end])
    return b"".join(parts)


def _rename(element: Element, ns: str) -> None:
    """Bring a stanza from another content namespace to jabber:client (RFC 6120 §4.8.3)."""
    element.ns = CLIENT
    for child in element.elements():
        if child.ns == ns:
            _rename(child, ns)
