"""What the tests of modules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.transcript import play
from tests.world import World
from xmpp_server.core.module import Module
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.offline import Offline
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, STANZA_ERRORS


def condition(answer: Element) -> str:
    """The defined condition of an error stanza."""
    assert answer.get("type") == "error", answer
    error = answer.find("error", CLIENT)
    assert error is not None
    return next(child.name for child in error.elements() if child.ns == STANZA_ERRORS)


#: RFC 6121 alone.
IM = (Delivery, Offline, Roster, Presence)


@pytest.fixture(params=[0, 1, 7], ids=["whole", "bytewise", "by sevens"])
def played(request: pytest.FixtureRequest) -> Callable[..., World]:
    """Play a transcript in a world with RFC 6121 and some modules; at three chunkings."""

    def run(text: str, *modules: Callable[[], Module], befriended: Sequence[tuple[str, str]] = ()) -> World:
        world = World("example.org", modules=(*IM, *modules), admins=["admin@example.org"])
        world.chunk_bytes = request.param
        for one, other in befriended:
            world.befriend(one, other)
        play(world, text)
        return world

    return run
