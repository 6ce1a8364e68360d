"""XEP-0424: authors retract what they have said: the history keeps a tombstone, and the retraction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.order import Order
from xmpp_server.modules.muc.hooks import RoomDisco, RoomMessage
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import OCCUPANT_ID, SID
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

RETRACT = "urn:xmpp:message-retract:1"
RETRACT_TAG = f"{RETRACT} retract"
#: What stays of a message that was retracted (§5): who has said it, and which it was.
KEPT = ((OCCUPANT_ID, "occupant-id"), (SID, "stanza-id"))
_END = b"</message>"


class Retraction:
    """Sees retractions pass."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.hooks.message.add(self._seen, Order.ANNOTATE)
        muc.hooks.room_disco.add(_describe)

    def _seen(self, event: RoomMessage) -> Verdict:
        """Take a message out of the history, if its author says so; others hear of it, and judge by themselves (§6)."""
        if RETRACT_TAG not in event.stanza.children:
            return False
        retract = event.stanza.element.find("retract", RETRACT)
        wanted = None if retract is None else retract.get("id")
        room, author = event.open.room, event.seat.occupant.id
        retracted = Element("retracted", RETRACT, {"id": event.stanza.id or event.stable_id})
        if wanted and bury(room, wanted, retracted, self._muc.host.utcnow(), lambda by: by == author):
            event.keep = True  # who has the message from before hears of it this way
        return False


def _describe(event: RoomDisco) -> None:
    if not event.disco.node:
        event.disco.features.update((RETRACT, f"{RETRACT}#tombstone"))


def bury(room: Room, stable_id: str, retracted: Element, now: datetime, allowed: Callable[[str], bool]) -> bool:
    """Put a tombstone in the place of a message of the history.

    Args:
        room: Where it was said.
        stable_id: The id that the room has given to the message.
        retracted: What the tombstone says; it gets the time.
        now: The time.
        allowed: Tells by the author's occupant id whether this may be.

    Returns:
        Whether there was such a message, and it was allowed.

    """
    for index, line in enumerate(room.history.lines):
        if line.stable_id == stable_id:
            if not allowed(line.author):
                return False
            retracted.attrs["stamp"] = format_datetime(now)
            tombstone = _tombstone(parse(line.head + line.tail), retracted)
            room.history.replace(index, msgspec.structs.replace(line, tail=tombstone))
            return True
    return False


def _tombstone(message: Element, retracted: Element) -> bytes:
    """Return what stands behind the receiver's address (`Line.tail`)."""
    kept = [child for child in message.elements() if (child.ns, child.name) in KEPT]
    inner = b"".join(serialize(child) for child in (*kept, retracted))
    return b"'>" + inner + _END
