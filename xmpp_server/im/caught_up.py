"""Which stored messages a client has read in its archive before it became available: it need not get them again.

Nothing is guessed: a message counts as read when a page of the archive with it was written to the client, and under
XEP-0198 when the client has acknowledged that. What it did not ask for it gets as ever; so do clients that do not ask.
"""

from __future__ import annotations

from xmpp_server.core.management import Sent
from xmpp_server.core.module import Slot
from xmpp_server.core.session import Session
from xmpp_server.streams.sm import MODULUS
from xmpp_server.xml.stanza import Stanza


class Shown:
    """How a message of the archive was given to a client; `position` counts the stanzas of XEP-0198."""

    __slots__ = ("item", "position")

    def __init__(self, item: Sent | None, position: int) -> None:
        self.item = item
        self.position = position

    def unacknowledged(self, session: Session) -> Sent | None:
        """Return what the client has still to acknowledge, None if it has it."""
        if self.item is None or session.sm is None:
            return None
        queue = session.sm.queue
        outstanding = (self.position - queue.acknowledged) % MODULUS
        return self.item if 0 < outstanding <= len(queue) else None


class CaughtUp:
    """Notes what clients read, until they become available."""

    def __init__(self) -> None:
        self._slot: Slot[dict[str, Shown]] = Slot("caught-up", dict)

    def note(self, session: Session, ident: str, stanza: Stanza) -> None:
        """Note that `stanza`, just sent, has the message of this id in its account's archive."""
        if session.available_since is not None or not session.account.offline_count:
            return
        item, position = None, 0
        if session.sm is not None:
            queue = session.sm.queue
            if not len(queue) or queue.last.stanza is not stanza:
                return  # something holds it back
            item, position = queue.last, queue.sent_count
        shown = self._slot.get(session)
        if len(shown) >= session.host.limits.offline_messages:
            del shown[next(iter(shown))]  # stored messages are among the latest
        shown[ident] = Shown(item, position)

    def find(self, session: Session, ident: str) -> Shown | None:
        """Return how a client has read a message, None if it has not."""
        shown = self._slot.peek(session)
        return None if shown is None else shown.get(ident)

    def forget(self, session: Session) -> None:
        """The client has got what it had not read."""
        self._slot.discard(session)
