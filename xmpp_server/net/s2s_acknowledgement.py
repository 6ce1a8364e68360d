"""XEP-0198 between servers: what the peer has not acknowledged, and what of the peer's is safe. No resumption."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xmpp_server.core.receipts import Ledger, Receipt
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams import sm_nonzas
from xmpp_server.streams.sm import MODULUS, SmQueue, parse_h
from xmpp_server.xml.stanza import Stanza

#: How long the peer may stand still with something to acknowledge, how long it may take in all for what it was
#: asked for, and how much may be under way.
ACKNOWLEDGE_S = 60.0
ANSWER_S = 120.0
UNACKNOWLEDGED = 10_000
UNACKNOWLEDGED_BYTES = 4 << 20


class Acknowledgements:
    """Both counts of one stream, from the element on that enables them (§3).

    A message that was sent holds its sender's receipt until the peer has acknowledged it: before that a crash on
    either side could lose it.
    """

    __slots__ = ("_acknowledged", "_asked", "_bytes", "_goal", "_ledger", "_moved_at", "_sent", "_since", "_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._ledger = Ledger()
        self._sent: SmQueue[Stanza] = SmQueue()
        self._bytes = 0
        #: How many stanzas the peer has acknowledged, and how many it has to until its time is up; since when.
        self._acknowledged = 0
        self._goal = 0
        self._since: float | None = None
        #: When it has acknowledged something, or that time began.
        self._moved_at = 0.0
        #: A request waits for its answer.
        self._asked = False

    def __len__(self) -> int:
        """How many stanzas the peer has not confirmed."""
        return len(self._sent)

    def sent(self, stanza: Stanza, now: float) -> None:
        """Keep a stanza, which was written, until the peer has it."""
        self._sent.sent(stanza)
        self._bytes += len(stanza.wire)
        if stanza.receipt is not None and stanza.name == "message":
            stanza.receipt.hold()
        if not self._asked:
            self.request(now)

    def received(self) -> Receipt:
        """Count a stanza of the peer's; it is acknowledged once its receipt says that it is safe."""
        return self._ledger.receive()

    @property
    def full(self) -> bool:
        """Whether the peer has left too much unconfirmed."""
        return len(self._sent) >= UNACKNOWLEDGED or self._bytes >= UNACKNOWLEDGED_BYTES

    def overdue(self, now: float) -> bool:
        """Whether the peer has left unconfirmed for too long what it was asked for, whatever it has answered."""
        since = self._since
        return since is not None and (now - self._moved_at > ACKNOWLEDGE_S or now - since > ANSWER_S)

    def request(self, now: float) -> None:
        """Ask the peer for its count, unless it was asked already."""
        if self._since is None:
            self._since = self._moved_at = now
            self._goal = self._acknowledged + len(self._sent)
        if not self._asked:
            self._asked = True
            self._write(sm_nonzas.REQUEST)

    def take(self, element: Stanza, now: float) -> None:
        """Take <r/> or <a/>.

        Raises:
            StreamError: The peer acknowledges what it was not sent, or says nothing that can be read.

        """
        if element.name == "r":
            self._ledger.request(self._answer)
        elif element.name == "a":
            self._confirm(element, now)

    def _answer(self, handled: int) -> None:
        self._write(sm_nonzas.acknowledgement(handled % MODULUS))

    def _confirm(self, element: Stanza, now: float) -> None:
        h = parse_h(element.attrs.get("h"))
        if h is None:
            raise StreamError(StreamCondition.BAD_FORMAT)
        confirmed = self._sent.acknowledge(h)
        self._asked = False
        self._acknowledged += len(confirmed)
        self._bytes -= sum(len(stanza.wire) for stanza in confirmed)
        let_go(confirmed)
        if confirmed:
            self._moved_at = now
        complete = self._acknowledged >= self._goal
        if complete:
            self._since = None
        if len(self._sent) and (confirmed or complete):  # one who answers without having got on is asked later
            self.request(now)

    def farewell(self) -> None:
        """Tell what is safe so far before the stream ends, lest it be sent again."""
        self._ledger.told = self._ledger.safe
        self._answer(self._ledger.told)

    def clear(self) -> list[Stanza]:
        """Return what the peer may not have got, oldest first, and forget it; `let_go` once it is somewhere else."""
        self._bytes = 0
        return self._sent.clear()


def let_go(stanzas: Iterable[Stanza]) -> None:
    """Release the receipts that `Acknowledgements.sent` holds: the stanzas are safe, or others hold them."""
    for stanza in stanzas:
        if stanza.receipt is not None and stanza.name == "message":
            stanza.receipt.release()
