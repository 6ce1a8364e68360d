"""Holds back what comes for a session while it is given its stored messages, so that nothing overtakes them."""

from __future__ import annotations

from collections import deque

from xmpp_server.core.management import Sent
from xmpp_server.core.session import Session
from xmpp_server.xml.stanza import Stanza

#: With more than this the order is given up.
HELD_BYTES = 1_048_576


class Backlog:
    """A gate of one session: new messages wait behind the stored ones."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._held: deque[Sent] = deque()
        self._held_bytes = 0
        session.gates = (self._gate, *session.gates)

    def _gate(self, stanza: Stanza, wire: bytes, stored_id: str | None) -> bool:
        if stanza.name != "message" or stored_id is not None:
            return False
        item = Sent(stanza, wire, None, self.session.host.now())
        item.receipt = stanza.receipt
        if item.receipt is not None:
            item.receipt.hold()
        self._held.append(item)
        self._held_bytes += len(wire)
        if self._held_bytes > HELD_BYTES:
            self.release()
        return True

    def take(self) -> list[Sent]:
        """Return what waits, and hold nothing from now on."""
        self.session.gates = tuple(gate for gate in self.session.gates if gate != self._gate)
        items = list(self._held)
        self._held.clear()
        return items

    def release(self) -> None:
        """Send what waits."""
        for item in self.take():
            self.session.send(item.stanza, item.wire)
            if item.receipt is not None:
                item.receipt.release()
