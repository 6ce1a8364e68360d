"""Plays a conversation in a `World` and holds it against what was written down.

    # RFC 6121 §4.2.2: contacts are told
    romeo@example.net/orchard > <presence/>
    juliet@example.com/balcony < <presence from='romeo@example.net/orchard' to='juliet@example.com'/>
    juliet@example.com/balcony < nothing

Lines that are indented continue the line before. `JID connects` binds a resource, `JID leaves` closes its stream,
`JID drops` loses its connection, `JID < anything` forgets what came, `everybody forgets` what came for anybody,
`after 5 s` lets time pass, `the server stops` tells that it is about to. In what is expected `*` stands for any
attribute value or text. Each client hears in the order given; at the end nobody has heard more. A name without `@` is a
domain elsewhere.

What is said often gets a name, which then stands in braces, and transcripts in files may begin with another one:

    include people.txt
    let romeo = romeo@example.net/orchard
    {romeo} > <presence/>
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING

from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

if TYPE_CHECKING:
    from tests.world import World

_LINE = re.compile(r"(\S+) ([<>]) (.*)")
_ACTION = re.compile(r"(\S+) (connects|leaves|drops)")
_AFTER = re.compile(r"after ([0-9.]+) s")
_INCLUDE = re.compile(r"include (\S+)")
_LET = re.compile(r"let (\w+) = (.*)")
_NAME = re.compile(r"\{(\w+)\}")


def written(path: Path) -> str:
    """Return a transcript that is kept in a file, with those it includes, from the same folder."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(
        written(path.parent / found[1]) if (found := _INCLUDE.fullmatch(line)) else line for line in text.splitlines()
    )


def play(world: World, text: str) -> None:
    """Play a transcript.

    Raises:
        AssertionError: somebody heard something else than expected.

    """
    heard: defaultdict[str, deque[Element]] = defaultdict(deque)

    def listen() -> None:
        for jid, client in world.clients.items():
            heard[jid].extend(client.hears())
        for domain, remote in world.remotes.items():
            heard[domain].extend(remote.hears())

    listen()
    names: dict[str, str] = {}
    for line in _lines(text):
        meant = _NAME.sub(lambda name: names[name[1]], line) if names else line
        if named := _LET.fullmatch(meant):
            names[named[1]] = named[2]
            continue
        _act(world, meant, heard)
        listen()
    for who, rest in heard.items():
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


def _act(world: World, line: str, heard: defaultdict[str, deque[Element]]) -> None:
    if match := _AFTER.fullmatch(line):
        world.passes(float(match[1]))
    elif line == "everybody forgets":
        heard.clear()
    elif line == "the server stops":
        world.host.hooks.stopping.fire(None)
    elif match := _ACTION.fullmatch(line):
        jid, action = match.groups()
        if action == "connects":
            world.login(jid)
        elif action == "leaves":
            world.clients[jid].leaves()
        else:
            world.clients[jid].drops()
    elif match := _LINE.fullmatch(line):
        who, direction, rest = match.groups()
        if direction == ">":
            speaker = world.clients[who] if "@" in who else world.remote(who)
            speaker.says(rest)
        else:
            _expect(who, rest, heard[who])
    else:
        raise AssertionError(f"not a line of a transcript: {line}")


def _expect(who: str, rest: str, heard: deque[Element]) -> None:
    if rest == "anything":
        heard.clear()
    elif rest == "nothing":
        assert not heard, f"{who} heard {_shown(*heard)}"
    else:
        expected = parse(rest.encode())
        assert heard, f"{who} heard nothing instead of {rest}"
        got = heard.popleft()
        assert matches(expected, got), f"{who}\n  heard    {_shown(got)}\n  not      {_shown(expected)}"


def matches(expected: Element, got: Element) -> bool:
    """Compare, where `*` in `expected` is any attribute value, or any text."""
    if (expected.name, expected.ns) != (got.name, got.ns) or expected.attrs.keys() != got.attrs.keys():
        return False
    if any(value not in ("*", got.attrs[key]) for key, value in expected.attrs.items()):
        return False
    text = expected.text.strip()
    if text != "*" and text != got.text.strip():
        return False
    pairs = list(expected.elements()), list(got.elements())
    return len(pairs[0]) == len(pairs[1]) and all(map(matches, *pairs))


def _shown(*elements: Element) -> str:
    return " ".join(serialize(element).decode() for element in elements)
