"""The examples of RFC 6121, by sections, and what its §8 says without them, played in three chunkings.

The transcripts are in `tests/transcripts/rfc6121`. What a section shows that is in none of them is told here.
"""

from __future__ import annotations

import re

import pytest

from tests.examples import TRANSCRIPTS
from tests.modules.conftest import IM
from tests.transcript import play, written
from tests.world import World

FOLDER = TRANSCRIPTS / "rfc6121"
JULIET = "juliet@example.com"
ROMEO = "romeo@example.net"

#: Each transcript, and the rosters with which it begins: (account, contact, subscription).
WHERE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "2-roster": (
        (JULIET, ROMEO, "both"),
        (JULIET, "benvolio@example.net", "both"),
        (JULIET, "mercutio@example.com", "from"),
    ),
    "3-approved": (),
    "3-denied": (),
    "3-pre-approved": (),
    "3-unsubscribing": ((JULIET, ROMEO, "both"), (ROMEO, JULIET, "both")),
    "4-presence": (
        (JULIET, "romeo@example.org", "both"),
        (JULIET, "mercutio@example.org", "from"),
        (JULIET, "benvolio@example.com", "both"),
        ("benvolio@example.com", JULIET, "both"),
    ),
    "5-messages": (),
    "7-session": ((JULIET, ROMEO, "both"), (ROMEO, JULIET, "both")),
    "8-delivery": (),
}
#: What others begin with.
SCENES = {"people"}
#: The sections in which something passes between client and server.
SECTIONS = (
    *("2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2", "2.3.1", "2.3.2", "2.3.3", "2.4.1", "2.4.2", "2.5.1", "2.5.2"),
    *("2.5.3", "2.6.1", "2.6.2", "2.6.3", "3.1.1", "3.1.2", "3.1.3", "3.1.4", "3.1.5", "3.1.6", "3.2.1", "3.2.2"),
    *("3.2.3", "3.3.1", "3.3.2", "3.3.3", "3.4.1", "3.4.2", "4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.3.1", "4.3.2"),
    *("4.4.1", "4.4.2", "4.4.3", "4.4.4", "4.5.1", "4.5.2", "4.5.3", "4.5.4", "4.6.2", "4.6.3", "4.6.4", "4.6.5"),
    *("4.7", "5.1", "5.2.1", "5.2.2", "5.2.3", "5.2.4", "5.2.5", "5.3", "7", "8.2.1", "8.5.1", "8.5.2.1"),
    *("8.5.2.2", "8.5.3.1", "8.5.3.2"),
)
#: Why a section is in none.
NOWHERE = {
    "2.6.1": "what a stream announces: tests/streams/test_features.py",
    "4.4.4": "what a client shows",
    "4.5.4": "what a client shows",
    "4.6.5": "what a client shows",
}

_MARK = re.compile(r"^# ((?:§[0-9.]+(?:, )?)+)(?:$|:)", re.MULTILINE)


def sections(text: str) -> set[str]:
    """The sections that a transcript says it shows."""
    return {section.strip("§, ") for found in _MARK.findall(text) for section in found.split(",")}


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", WHERE)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    world = World("example.com", "example.net", modules=IM)
    world.remote("example.org")
    world.create(JULIET, ROMEO)
    for owner, contact, subscription in WHERE[name]:
        world.contact(owner, contact, subscription)
    world.chunk_bytes = chunk_bytes
    play(world, written(FOLDER / f"{name}.txt"))


def test_no_section_is_missing() -> None:
    shown = set().union(*(sections((FOLDER / f"{name}.txt").read_text(encoding="utf-8")) for name in WHERE))
    assert shown.isdisjoint(NOWHERE)
    assert shown | NOWHERE.keys() == set(SECTIONS)
    assert {path.stem for path in FOLDER.glob("*.txt")} == WHERE.keys() | SCENES
