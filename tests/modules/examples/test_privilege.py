"""The examples of XEP-0356 (0.4.1), in three chunkings."""

from __future__ import annotations

import pytest

from tests.examples import Examples
from tests.modules.conftest import IM
from tests.plugged import plug
from tests.transcript import play
from tests.world import World
from xmpp_server.modules.privilege import Privilege

EXAMPLES = Examples(
    "xep0356",
    16,
    {
        "roster": (1, 4, 2, 3),
        "messages": (5, 6, 7),
        "requests": (8, 9, 10, 11),
        "presence": (14, 12, 13, 15, 16),
    },
    {},
)
#: What is granted in each transcript.
GRANTS = {
    "roster": ("roster=both",),
    "messages": ("roster=both", "message=outgoing"),
    "requests": ("iq:http://jabber.org/protocol/pubsub=set",),
    "presence": ("roster=both", "iq:http://jabber.org/protocol/pubsub=set", "presence=roster"),
}


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", EXAMPLES.where)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    world = World("capulet.lit")
    world.chunk_bytes = chunk_bytes
    privileged = plug(world, "pubsub.capulet.lit", privileges=GRANTS[name])
    other = plug(world, "other.capulet.lit")
    for make in (*IM, Privilege):
        world.host.add_module(make())
    if name == "presence":
        world.contact("juliet@capulet.lit", "romeo@montaigu.lit", "both")
    play(world, EXAMPLES.text(name), privileged, other)


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
