"""XEP-0198 between servers: what the peer has not acknowledged, and what of the peer's is safe. No resumption."""

from __future__ import annotations

from collections.abc import Callable

from xmpp_server.core.receipts import Ledger, Receipt
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams import sm_nonzas
from xmpp_server.streams.sm import MODULUS, SmQueue, parse_h
from xmpp_server.xml.stanza import Stanza

#: How long the peer may take to acknowledge, and how many stanzas.
ACKNOWLEDGE_S = 60.0
UNACKNOWLEDGED = 10_000


class Acknowledgements:
    """Both counts of one stream, from the element on that enables them (§3)."""

    __slots__ = ("_asked_at", "_ledger", "_sent", "_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._ledger = Ledger()
        self._sent: SmQueue[Stanza] = SmQueue()
        #: Since when we wait for an answer.
        self._asked_at: float | None = None

    def __len__(self) -> int:
        """How many stanzas the peer has not confirmed."""
        return len(self._sent)

    def sent(self, stanza: Stanza, now: float) -> None:
        """Keep a stanza, which was written, until the peer has it."""
        self._sent.sent(stanza)
        self.request(now)

    def received(self) -> Receipt:
        """Count a stanza of the peer's; it is acknowledged once its receipt says that it is safe."""
        return self._ledger.receive()

    @property
    def full(self) -> bool:
        """Whether the peer has left too much unconfirmed."""
        return len(self._sent) > UNACKNOWLEDGED

    def overdue(self, now: float) -> bool:
        """Whether the peer has left a request unanswered for too long."""
        return self._asked_at is not None and now - self._asked_at > ACKNOWLEDGE_S

    def request(self, now: float) -> None:
        """Ask the peer for its count, unless it was asked already."""
        if self._asked_at is None:
            self._asked_at = now
            self._write(sm_nonzas.REQUEST)

    def take(self, element: Stanza, now: float) -> None:
        """Take <r/> or <a/>.

        Raises:
            StreamError: The peer acknowledges what it was not sent, or says nothing that can be read.

        """
        if element.name == "r":
            self._ledger.request(self._answer)
        elif element.name == "a":
            self._acknowledged(element, now)

    def _answer(self, handled: int) -> None:
        self._write(sm_nonzas.acknowledgement(handled % MODULUS))

    def _acknowledged(self, element: Stanza, now: float) -> None:
        self._asked_at = None
        h = parse_h(element.attrs.get("h"))
        if h is None:
            raise StreamError(StreamCondition.BAD_FORMAT)
        self._sent.acknowledge(h)
        if len(self._sent):
            self.request(now)

    def clear(self) -> list[Stanza]:
        """Return what the peer may not have got, oldest first, and forget it: the link is gone."""
        return self._sent.clear()
