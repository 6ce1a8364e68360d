"""Every numbered example of XEP-0045 (1.35.5) that a server has a part in, played in three chunkings.

The transcripts are in `tests/transcripts/muc`, by sections; where they say something else than the example, they say
why. What is in none of them is told here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.modules.conftest import IM
from tests.transcript import play, written
from tests.world import World
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig

FOLDER = Path(__file__).parents[2] / "transcripts" / "muc"
EXAMPLES = range(1, 221)

#: In which transcript each example is.
WHERE = {
    "06-discovery": (*range(1, 14),),
    "06-contacts": (*range(14, 18),),
    "07-entering": (*range(18, 25), 32),
    "07-refused": (*range(25, 32),),
    "07-history": (33, *range(35, 42)),
    "07-groupchat-1.0": (42, 43),
    "07-messages": (*range(44, 49),),
    "07-nicknames": (*range(49, 54),),
    "07-availability": (54, 55),
    "07-invitations": (*range(56, 60),),
    "07-continuing": (*range(60, 66),),
    "07-registering": (*range(66, 79),),
    "07-asking-for-voice": (79, 108, 109),
    "07-leaving": (*range(80, 84),),
    "08-subject": (84, 85, 87, 88),
    "08-kicking": (*range(89, 94),),
    "08-voice": (*range(94, 103),),
    "08-voice-list": (*range(103, 108),),
    "09-banning": (*range(110, 120),),
    "09-membership": (*range(120, 137),),
    "09-moderators": (*range(137, 151),),
    "10-creating": (*range(152, 158), *range(159, 167)),
    "10-configuring": (*range(167, 172),),
    "10-owners": (*range(172, 186),),
    "10-admins": (*range(186, 201),),
    "10-destroying": (*range(201, 205),),
    "11-service": (205, 206, 207),
    "16-links": (209, 211, 213, 215, 217),
    "18-traffic": (218, 220),
}
#: Why an example is in none.
NOWHERE = {
    34: "the original sender in extended addresses is optional, and would tell real JIDs in a history that outlives "
    "the room's being open about them",
    86: "what a client displays",
    151: "approval of registrations is optional: who may register at all becomes a member at once",
    158: "a service without configuration; every room here has one",
    208: "a link, which a client reads",
    210: "a link, which a client reads",
    212: "a link, which a client reads",
    214: "a link, which a client reads",
    216: "a link, which a client reads",
    219: "a service that discards some namespaces; here everything passes, which is example 220",
}
#: What other transcripts begin with.
SCENES = {"witches", "coven"}

_MARK = re.compile(r"^# Examples? ([0-9, ]+)$", re.MULTILINE)


def marks(text: str) -> tuple[int, ...]:
    """The examples that a transcript says it shows, in order."""
    return tuple(sorted(int(number) for found in _MARK.findall(text) for number in found.split(",")))


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", WHERE)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    config = MucConfig(domain="chat.shakespeare.lit", name="Chatroom Service", create="local")
    world = World("shakespeare.lit", modules=(*IM, ServiceDiscovery, lambda: Muc(config)))
    world.chunk_bytes = chunk_bytes
    play(world, written(FOLDER / f"{name}.txt"))


@pytest.mark.parametrize("name", WHERE)
def test_transcripts_show_what_the_table_says(name: str) -> None:
    assert marks((FOLDER / f"{name}.txt").read_text(encoding="utf-8")) == tuple(sorted(WHERE[name]))


def test_no_example_is_missing() -> None:
    shown = [number for numbers in WHERE.values() for number in numbers]
    assert sorted([*shown, *NOWHERE]) == list(EXAMPLES)
    assert {path.stem for path in FOLDER.glob("*.txt")} == WHERE.keys() | SCENES
