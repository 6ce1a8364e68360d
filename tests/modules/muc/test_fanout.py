"""What a message to all costs for each who gets it: it is written once, and nothing is read or started again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

from tests.modules.muc.conftest import CRONE, ENTRY, ROOM
from tests.world import World
from xmpp_server.app.modules import MODULES
from xmpp_server.modules.archive import Archive
from xmpp_server.modules.muc import Muc, MucConfig

OWNER = "http://jabber.org/protocol/muc#owner"
#: Python functions that are called to give one client one message. More need a reason, and a new measurement.
CALLS = 6


def calls(action: Callable[[], None]) -> Counter[str]:
    """Count the calls of functions by "file:name" while something is done."""
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"] += 1

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return counted


def spoken(occupants: int) -> Counter[str]:
    """What is called for one message, with all modules of a server."""
    service = MucConfig(domain=ROOM.split("@")[1])
    modules = [kind for kind in MODULES if kind not in (Archive, Muc)]
    world = World("example.org", modules=(*modules, lambda: Muc(service)))
    clients = [world.online(CRONE), *(world.online(f"u{number}@example.org/x") for number in range(occupants - 1))]
    for number, client in enumerate(clients):
        client.says(f"<presence to='{ROOM}/n{number}'>{ENTRY}</presence>")
        if number == 0:
            form = "<x xmlns='jabber:x:data' type='submit'/>"
            client.says(f"<iq type='set' id='1' to='{ROOM}'><query xmlns='{OWNER}'>{form}</query></iq>")
    message = f"<message to='{ROOM}' type='groupchat' id='{{}}'><body>hi</body></message>"
    clients[0].says(message.format("first"))
    for client in clients:
        client.hears()
    counted = calls(lambda: clients[0].says(message.format("second")))
    assert [len(client.hears()) for client in clients] == [1] * occupants
    return counted


def test_the_cost_of_a_delivery() -> None:
    few, many = spoken(10), spoken(110)
    grown = {name: (many[name] - few[name]) / 100 for name in many if many[name] > few[name] + 50}
    assert not [name for name in grown if "/xml/" in name], "a stanza is read or written for each occupant"
    assert not [name for name in grown if "spawn" in name or "schedule" in name or ".soon" in name], "a task for each"
    own = {name: count for name, count in grown.items() if "/xmpp_server/" in name or "typing" in name}
    assert sum(own.values()) <= CALLS, own
