"""Plays a conversation in a `World` and holds it against what was written down.

    # RFC 6121 §4.2.2: contacts are told
    romeo@example.net/orchard > <presence/>
    juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'/>
    juliet@example.com/balcony < nothing

Lines that are indented continue the line before. `JID connects` binds a resource, `DOMAIN connects` lets a component
or a domain elsewhere be there; `JID leaves` closes its stream, `JID drops` loses its connection, `JID < anything`
forgets what came, `everybody forgets` what came for anybody, `after 5 s` lets time pass, `the server stops` tells that
it is about to. In what is expected `*` stands for any attribute value or text, `*word` for one that is `{word}` from
then on, and `...` among elements for any others. Each client hears in the order given; at the end nobody has heard
more. A name without `@` is a component that was plugged in, or a domain elsewhere.

What is said often gets a name, which then stands in braces, and transcripts in files may begin with another one:

    include people.txt
    let romeo = romeo@example.net/orchard
    {romeo} > <presence/>
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

if TYPE_CHECKING:
    from tests.plugged import Plugged, PluggedLine
    from tests.world import World

_LINE = re.compile(r"(\S+) ([<>]) (.*)")
_ACTION = re.compile(r"(\S+) (connects|leaves|drops)")
_AFTER = re.compile(r"after ([0-9.]+) s")
_INCLUDE = re.compile(r"include (\S+)")
_LET = re.compile(r"let (\w+) = (.*)")
_NAME = re.compile(r"\{(\w+)\}")
_CAUGHT = re.compile(r"\*(\w*)")
_OTHERS = re.compile(r"(\s*\.\.\.)+\s*")


def written(path: Path) -> str:
    """Return a transcript that is kept in a file, with those it includes, from the same folder."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(
        written(path.parent / found[1]) if (found := _INCLUDE.fullmatch(line)) else line for line in text.splitlines()
    )


def play(world: World, text: str, *plugged: Plugged) -> None:
    """Play a transcript.

    Raises:
        AssertionError: somebody heard something else than expected.

    """
    for line in acts(world, text, *plugged):
        assert not line, f"not a line of a transcript: {line}"


def acts(world: World, text: str, *plugged: Plugged) -> Iterator[str]:
    """Play a transcript line by line, so that others may act in between; raises as `play` does.

    Yields nothing but "" behind a line that was played, and a line that means nothing here, for others to do.
    """
    stage = _Stage(world, plugged)
    stage.listen()
    for line in _lines(text):
        yield stage.perform(line)
        stage.listen()
    for who, rest in stage.heard.items():
        assert not rest, f"{who} also heard {_shown(*rest)}"


def _lines(text: str) -> list[str]:
    lines: list[str] = []
    margin = min((len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0)
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[margin:].startswith(" "):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return lines


class _Speaker(Protocol):
    """Somebody at the other end of a stream."""

    def says(self, *xml: str) -> None: ...

    def hears(self) -> list[Element]: ...


class _Stage:
    """Who is there, what they have heard and not yet been asked for, what was named."""

    def __init__(self, world: World, plugged: tuple[Plugged, ...]) -> None:
        self._world = world
        self._plugged = {str(domain): one for one in plugged for domain in one.component.domains}
        self._components: dict[str, PluggedLine] = {}
        self._names: dict[str, str] = {}
        self.heard: defaultdict[str, deque[Element]] = defaultdict(deque)

    def listen(self) -> None:
        everybody: tuple[Mapping[str, _Speaker], ...] = (self._world.clients, self._world.remotes, self._components)
        for some in everybody:
            for who, one in some.items():
                self.heard[who].extend(one.hears())

    def perform(self, line: str) -> str:
        """Return the line if it means nothing here."""
        meant = _NAME.sub(lambda name: self._names[name[1]], line) if self._names else line
        if named := _LET.fullmatch(meant):
            self._names[named[1]] = named[2]
        elif match := _AFTER.fullmatch(meant):
            self._world.passes(float(match[1]))
        elif meant == "everybody forgets":
            self.heard.clear()
        elif meant == "the server stops":
            self._world.host.hooks.stopping.fire(None)
        elif match := _ACTION.fullmatch(meant):
            self._do(*match.groups())
        elif match := _LINE.fullmatch(meant):
            who, direction, rest = match.groups()
            if direction == ">":
                self._speaker(who).says(rest)
            else:
                _expect(who, rest, self.heard[who], self._names)
        else:
            return meant
        return ""

    def _do(self, who: str, action: str) -> None:
        if action == "connects":
            if who in self._plugged:
                self._components[who] = self._plugged[who].connects(who)
            elif "@" in who:
                self._world.login(who)
            else:
                self._world.remote(who)
        elif action == "leaves":
            self._world.clients[who].leaves()
        else:
            (self._components.get(who) or self._world.clients[who]).drops()

    def _speaker(self, who: str) -> _Speaker:
        if "@" in who:
            return self._world.clients[who]
        return self._components.get(who) or self._world.remote(who)


def _expect(who: str, rest: str, heard: deque[Element], names: dict[str, str]) -> None:
    if rest == "anything":
        heard.clear()
    elif rest == "nothing":
        assert not heard, f"{who} heard {_shown(*heard)}"
    else:
        expected = parse(rest.encode())
        assert heard, f"{who} heard nothing instead of {rest}"
        got = heard.popleft()
        assert matches(expected, got, names), f"{who}\n  heard    {_shown(got)}\n  not      {_shown(expected)}"


def matches(expected: Element, got: Element, names: dict[str, str]) -> bool:
    """Compare, where `*` in `expected` is any attribute value, or any text, and a word behind it its name."""
    if (expected.name, expected.ns) != (got.name, got.ns) or expected.attrs.keys() != got.attrs.keys():
        return False
    if not all(_agree(value, got.attrs[key], names) for key, value in expected.attrs.items()):
        return False
    if _OTHERS.fullmatch(expected.text):
        rest = iter(list(got.elements()))
        return all(any(matches(one, other, names) for other in rest) for one in expected.elements())
    if not _agree(expected.text.strip(), got.text.strip(), names):
        return False
    pairs = list(expected.elements()), list(got.elements())
    return len(pairs[0]) == len(pairs[1]) and all(matches(*pair, names) for pair in zip(*pairs, strict=True))


def _agree(expected: str, got: str, names: dict[str, str]) -> bool:
    if caught := _CAUGHT.fullmatch(expected):
        return not caught[1] or names.setdefault(caught[1], got) == got
    return expected == got


def _shown(*elements: Element) -> str:
    return " ".join(serialize(element).decode() for element in elements)
