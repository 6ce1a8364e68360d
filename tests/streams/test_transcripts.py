"""Plays the transcripts of `tests/transcripts/streams`, each whole, byte by byte, and in random pieces.

`C:` lines are what the client sends, `S:` lines what the server answers (… stands for anything), `E:` lines the events
that the driver sees, `D:` puts the stream into a state first. Lines of one kind are joined without a separator.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from xmpp_server.streams.events import Authenticated, AuthFailed, Ended, StreamEvent
from xmpp_server.xml.stanza import Stanza

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "streams").glob("*.txt"))


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def random_pieces(data: bytes) -> list[bytes]:
    dice = random.Random(data)
    cuts = [0, *sorted(dice.choices(range(len(data) + 1), k=dice.randint(1, 9))), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def blocks(path: Path) -> Iterator[tuple[str, list[str]]]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for kind, group in groupby(lines, key=lambda line: line[:2]):
        yield kind, [line[3:] for line in group]


def describe(event: StreamEvent) -> str:
    name = type(event).__name__
    if isinstance(event, Stanza):
        return f"{name} {event.name}"
    if isinstance(event, Authenticated):
        return f"{name} {event.username}"
    if isinstance(event, AuthFailed):
        return f"{name} {event.condition.value}"
    if isinstance(event, Ended) and event.error is not None:
        return f"{name} {event.error.condition.value}"
    return name


@pytest.mark.parametrize("chunks", [whole, bytewise, random_pieces])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, chunks: Callable[[bytes], list[bytes]], driver) -> None:  # type: ignore[no-untyped-def]
    answer, seen = b"", 0
    for kind, lines in blocks(path):
        if kind == "D:":
            driver.handshake() if lines == ["tls"] else driver.to_authenticated()
            seen = len(driver.events)
        elif kind == "C:":
            answer = driver.send(*chunks("".join(lines).encode()))
        elif kind == "S:":
            pattern = re.escape("".join(lines)).replace("…", ".*")
            assert re.fullmatch(pattern, answer.decode(), re.DOTALL), answer.decode()
        else:
            assert kind == "E:"
            assert [describe(event) for event in driver.events[seen:]] == lines
            seen = len(driver.events)
    assert seen == len(driver.events)
