"""Reads files of XEP-0227: hosts and users in their order, with XInclude (§5), one user in memory at a time.

Files come from other servers' exports: entities are refused, and inclusion stays inside the first file's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import unquote, urlsplit
from xml.parsers.expat import ExpatError, ParserCreate

from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import attribute_keys

NS: Final = "urn:xmpp:pie:0"
NS_OURS: Final = "urn:x-xmpp-server:export:0"
XINCLUDE: Final = "http://www.w3.org/2001/XInclude"
#: What stands behind the hosts.
DOCUMENT: Final = (NS_OURS, "document")
LEVELS: Final = ("server-data", "host", "user")
CHUNK_BYTES: Final = 1 << 16
MAX_DEPTH: Final = 200


class FormatError(Exception):
    """The file is not what it should be; the text names the line."""


@dataclass(frozen=True, slots=True)
class Host:
    """What follows belongs to this host."""

    jid: str


@dataclass(slots=True)
class User:
    """A user with all child elements."""

    name: str
    password: str | None = field(repr=False)
    elements: list[Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is not understood."""

    what: str


@dataclass(frozen=True, slots=True)
class _Include:
    """Another file stands here, whose root is of this level."""

    href: str
    level: int


@dataclass(frozen=True, slots=True)
class _End:
    """The user is complete."""


_Part = Host | User | Ignored | Element | _Include | _End


def read(path: Path) -> Iterator[Host | User | Ignored | Element]:
    """Yield what a file holds, in order. An element is a document of ours that belongs to no user.

    Raises:
        FormatError: It is malformed.
        OSError: It, or a file that it includes, cannot be read.

    """
    user: User | None = None
    for part in _parts(path, path.parent.resolve(), 0, ()):
        match part:
            case User():
                user = part
            case Element():
                if user is not None:
                    user.elements.append(part)
                else:
                    yield part
            case _End():
                if user is not None:
                    yield user
                user = None
            case Host() | Ignored():
                yield part


def _parts(path: Path, folder: Path, level: int, parents: tuple[Path, ...]) -> Iterator[_Part]:
    """Yield the parts of one file whose root is of `level`, and of those it includes."""
    builder = _Builder(level)
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            try:
                builder.parser.Parse(chunk, not chunk)
            except (ExpatError, FormatError) as error:
                yield from _resolved(builder.take(), path, folder, parents)
                raise FormatError(f"{path.name}: {error}") from None
            yield from _resolved(builder.take(), path, folder, parents)
            if not chunk:
                return


def _resolved(parts: list[_Part], path: Path, folder: Path, parents: tuple[Path, ...]) -> Iterator[_Part]:
    for part in parts:
        if isinstance(part, _Include):
            target = _target(part.href, path, folder)
            if target in (*parents, path.resolve()):
                raise FormatError(f"{path.name}: {part.href} includes itself")
            yield from _parts(target, folder, part.level, (*parents, path.resolve()))
        else:
            yield part


def _target(href: str, path: Path, folder: Path) -> Path:
    url = urlsplit(href)
    target = (path.parent / unquote(url.path)).resolve()
    if url.scheme or url.netloc or url.path.startswith("/") or not target.is_relative_to(folder):
        raise FormatError(f"{path.name}: include {href}: only files beside the first one are read")
    return target


class _Builder:
    """Turns expat's events into parts. Levels: 0 server-data, 1 host, 2 user, 3 and below data of the user."""

    def __init__(self, level: int) -> None:
        self.parser = ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._level = level
        self._parts: list[_Part] = []
        self._open: list[Element] = []
        #: How deep we are in something that is not understood.
        self._skipping = 0

    def take(self) -> list[_Part]:
        """Return the parts since the last call."""
        parts, self._parts = self._parts, []
        return parts

    def _refuse(self, *_: object) -> NoReturn:
        raise FormatError(f"line {self.parser.CurrentLineNumber}: a document type declaration")

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        ns, _, local = name.rpartition(" ")
        level = self._level
        if self._skipping:
            self._skipping += 1
        elif self._open:
            self._start_data(ns, local, attrs)
        elif ns == XINCLUDE and level > 0:
            self._include(local, attrs)
        elif level == len(LEVELS):
            self._start_data(ns, local, attrs)
        elif (ns, local) == (NS, LEVELS[level]):
            self._start_level(attrs)
        elif level == 1 and (ns, local) == DOCUMENT:
            self._start_data(ns, local, attrs)
        elif ns != NS and level > 0:  # §3: "At any point in the file"
            self._skip(f"{ns} {local}")
        else:
            raise FormatError(f"line {self.parser.CurrentLineNumber}: {local} where {LEVELS[level]} should be")

    def _skip(self, what: str) -> None:
        self._parts.append(Ignored(what))
        self._skipping = 1

    def _include(self, local: str, attrs: dict[str, str]) -> None:
        if local != "include" or "parse" in attrs or "xpointer" in attrs or not attrs.get("href"):
            self._skip(f"{XINCLUDE} {local} of this kind")
            return
        self._parts.append(_Include(attrs["href"], self._level))
        self._skipping = 1  # what is inside is a fallback

    def _start_level(self, attrs: dict[str, str]) -> None:
        if self._level == 1:
            self._parts.append(Host(attrs.get("jid", "")))
        elif self._level == 2:
            self._parts.append(User(attrs.get("name", ""), attrs.get("password")))
        self._level += 1

    def _start_data(self, ns: str, local: str, attrs: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise FormatError(f"line {self.parser.CurrentLineNumber}: nested too deeply")
        element = Element(local, ns, attribute_keys(attrs))
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            element = self._open.pop()
            if not self._open:
                self._parts.append(element)
        else:
            self._level -= 1
            if self._level == 2:
                self._parts.append(_End())

    def _text(self, data: str) -> None:
        if self._open and not self._skipping:
            self._open[-1].children.append(data)
