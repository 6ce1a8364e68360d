"""XEP-0198 for one session: what was sent and not acknowledged, what was received and is safe."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from xmpp_server.core.receipts import Ledger
from xmpp_server.streams.sm import MODULUS, SmQueue
from xmpp_server.streams.sm_nonzas import REQUEST, acknowledgement
from xmpp_server.xml.stanza import Receipt, Stanza

if TYPE_CHECKING:
    from xmpp_server.core.session import Session, Transport

#: So much is written to a client before it has to acknowledge some of it: a slow reader costs no more memory, and a
#: long queue sent again after a resumption does not look like one.
IN_FLIGHT_BYTES = 262_144
#: Stanzas sent before the client is asked for an acknowledgement.
REQUEST_EVERY = 8


class Sent:
    """A stanza that the client has not acknowledged.

    `stored_id` is the id of its row in offline storage, if it has one: the row goes when the client has the stanza.
    """

    __slots__ = ("receipt", "sent_at", "stanza", "stored_id", "wire")

    def __init__(self, stanza: Stanza, wire: bytes, stored_id: str | None, sent_at: float) -> None:
        self.stanza = stanza
        self.wire = wire
        self.stored_id = stored_id
        self.sent_at = sent_at
        self.receipt: Receipt | None = None


class StreamManagement:
    """The state that survives a connection; made by `<enable/>`."""

    __slots__ = (
        "asked_at",
        "held",
        "in_flight_bytes",
        "ledger",
        "queue",
        "queued_bytes",
        "requested_at",
        "resumable",
        "session",
        "timeout_s",
        "token",
        "unrequested",
    )

    def __init__(self, session: Session, token: str, timeout_s: float) -> None:
        self.session = session
        #: The SM-ID for `previd`; empty where the client did not ask for resumption.
        self.token = token
        #: How long a lost session waits for its client, in seconds.
        self.timeout_s = timeout_s
        self.resumable = bool(token)
        self.queue: SmQueue[Sent] = SmQueue()
        self.queued_bytes = 0
        #: How many stanzas at the end of the queue are not written yet, and how many bytes before them are.
        self.held = 0
        self.in_flight_bytes = 0
        #: Stanzas sent since the last `<r/>`.
        self.unrequested = 0
        #: When the oldest unanswered `<r/>` was sent (monotonic seconds), or None.
        self.requested_at: float | None = None
        #: When the client sent the oldest `<r/>` that got no answer yet (monotonic seconds), or None.
        self.asked_at: float | None = None
        self.ledger = Ledger()

    def sent(self, stanza: Stanza, wire: bytes, stored_id: str | None, now: float) -> Sent:
        """Note a stanza that is about to be sent; the receipt of its sender is held until the client has it."""
        item = Sent(stanza, wire, stored_id, now)
        receipt = stanza.receipt
        if receipt is not None and stanza.name == "message" and stored_id is None:
            receipt.hold()
            receipt.nudge = self.request
            item.receipt = receipt
        self.queue.sent(item)
        self.queued_bytes += len(wire)
        self.held += 1
        return item

    def pump(self, transport: Transport) -> None:
        """Write what is held, as far as the client's acknowledgements allow; it is asked for more of them."""
        if self.held == 1 and self.in_flight_bytes < IN_FLIGHT_BYTES:  # nearly always
            wire = self.queue.last.wire
            self.held = 0
            self.in_flight_bytes += len(wire)
            self.unrequested += 1
            transport.write(wire)
        elif self.held:
            for item in islice(self.queue, len(self.queue) - self.held, None):
                if self.in_flight_bytes >= IN_FLIGHT_BYTES:
                    self.request()
                    break
                transport.write(item.wire)
                self.held -= 1
                self.unrequested += 1
                self.in_flight_bytes += len(item.wire)
        if self.unrequested >= REQUEST_EVERY:
            self.request()

    def begin_again(self) -> None:
        """Hold everything that is not acknowledged: it is to be sent on a new connection."""
        self.held = len(self.queue)
        self.in_flight_bytes = 0
        self.unrequested = 0
        self.requested_at = None
        self.asked_at = None

    def request(self) -> None:
        """Ask the client for an acknowledgement, unless a request is under way or there is no connection."""
        if self.requested_at is None and len(self.queue) > self.held and self.session.transport is not None:
            self.session.transport.write(REQUEST)
            self.requested_at = self.session.host.now()
            self.unrequested = 0

    def acknowledge(self, h: int) -> list[Sent]:
        """Drop what the client has handled, and return it; `h` counts modulo 2**32.

        Raises:
            StreamError: `h` exceeds what was sent (XEP-0198 §4).

        """
        done = self.queue.acknowledge(h, self.held)
        self.requested_at = None
        for item in done:
            self.in_flight_bytes -= len(item.wire)
            self.queued_bytes -= len(item.wire)
            if item.receipt is not None:
                item.receipt.release()
                item.receipt = None
        return done

    def answer(self) -> None:
        """Answer the client's `<r/>`, once what it sent is safe."""
        if self.ledger.unsafe and self.asked_at is None:
            self.asked_at = self.session.host.now()
        self.ledger.request(self._write_answer)

    def reassure(self) -> None:
        """Tell a client that has waited for its answer what is safe so far: many take silence for a dead connection."""
        self._write_answer(self.ledger.so_far())

    def _write_answer(self, count: int) -> None:
        self.asked_at = None
        if self.session.transport is not None:
            self.session.transport.write(acknowledgement(count % MODULUS))
