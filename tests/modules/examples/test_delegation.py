"""The examples of XEP-0355 (0.5), in three chunkings."""

from __future__ import annotations

import pytest

from tests.examples import Examples
from tests.modules.conftest import IM
from tests.plugged import plug
from tests.transcript import play
from tests.world import World
from xmpp_server.modules.delegation import Delegation
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.privilege import Privilege

PUBSUB = "http://jabber.org/protocol/pubsub"
EXAMPLES = Examples(
    "xep0355",
    37,
    {
        "requests": (*range(1, 6),),
        "roster": (*range(6, 12),),
        "discovery": (19, 23, 20, 24, 16, 17, 18, 21, 22, 25),
        "nodes": (*range(26, 38),),
    },
    dict.fromkeys(range(12, 16), "client mode, which a server need not have (§9): its configuration delegates"),
)
#: What is delegated to whom in each transcript.
MANAGERS = {
    "requests": ("pubsub.capulet.lit", ["urn:xmpp:mam:2 @node", PUBSUB]),
    "roster": ("filter.capulet.lit", ["jabber:iq:roster"]),
    "discovery": ("pubsub.capulet.lit", [PUBSUB]),
    "nodes": ("pubsub.capulet.lit", [f"urn:xmpp:delegation:2:bare:disco#{kind}:*" for kind in ("info", "items")]),
}


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", EXAMPLES.where)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    world = World("capulet.lit")
    world.chunk_bytes = chunk_bytes
    domain, delegate = MANAGERS[name]
    manager = plug(world, domain, delegate=delegate, privileges=["roster=both"] if name == "roster" else ())
    for make in (*IM, ServiceDiscovery, Delegation, Privilege):
        world.host.add_module(make())
    play(world, EXAMPLES.text(name), manager)


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
