"""What an acknowledgement means: the stanzas of a client that are not yet safe.

A stanza is safe when it was handled: delivered and acknowledged by its recipient, written to storage, or answered.
XEP-0198's `h` counts the stanzas up to the first that is not safe; it never covers one that a crash could lose.
"""

from __future__ import annotations

from collections.abc import Callable


class Receipt:
    """One received stanza; whoever has it in hands that could fail holds it, and releases it when it is safe."""

    __slots__ = ("_holds", "_ledger", "_sequence", "nudge")

    def __init__(self, ledger: Ledger, sequence: int) -> None:
        self._ledger = ledger
        #: Its number among the received, or 0 once it was safe.
        self._sequence = sequence
        self._holds = 0
        #: Asks the holder to hurry, if it can.
        self.nudge: Callable[[], None] | None = None

    def hold(self) -> None:
        """Say that the stanza is not safe yet; what was safe once stays so, as `h` never goes back."""
        self._holds += 1
        ledger = self._ledger
        if self._holds == 1 and self._sequence > ledger.told:
            ledger.doubt(self._sequence, self)

    def release(self) -> None:
        """Say that the stanza is safe as far as this holder goes."""
        self._holds -= 1
        if not self._holds:
            self._ledger.settle(self._sequence)
            self._sequence = 0


class Ledger:
    """The inbound half of XEP-0198 for one session: what was received, and how much of it is safe."""

    __slots__ = ("_answers", "_awaited", "_wanted", "received", "told", "unsafe")

    def __init__(self) -> None:
        #: Stanzas received since the session was enabled; not reduced modulo 2**32.
        self.received = 0
        #: The last answer.
        self.told = 0
        #: Receipts that somebody holds, by their number, which only grows.
        self.unsafe: dict[int, Receipt] = {}
        self._answers: list[Callable[[int], None]] = []
        #: Up to which stanza the answers wait, or 0, and how many of those are unsafe.
        self._wanted = 0
        self._awaited = 0

    def receive(self) -> Receipt:
        """Count one stanza and return its receipt."""
        self.received += 1
        return Receipt(self, self.received)

    @property
    def safe(self) -> int:
        """How many stanzas, from the first on, are safe."""
        return min(self.unsafe) - 1 if self.unsafe else self.received

    def request(self, answer: Callable[[int], None]) -> None:
        """Call `answer` with the count, as soon as all that was received up to now is safe.

        Whoever has asked before and still waits is answered then, too; the same one once.
        """
        if not self.unsafe:
            self.told = self.received
            answer(self.received)
            return
        if answer not in self._answers:
            self._answers.append(answer)
        self._wanted = self.received
        self._awaited = len(self.unsafe)
        for receipt in tuple(self.unsafe.values()):
            if receipt.nudge is not None:
                receipt.nudge()

    def so_far(self) -> int:
        """Return how much is safe now, to be told to a client that should not wait longer; its answer still comes."""
        self.told = self.safe
        return self.told

    def doubt(self, sequence: int, receipt: Receipt) -> None:
        """Note that a stanza is not safe."""
        self.unsafe[sequence] = receipt
        if sequence <= self._wanted:
            self._awaited += 1

    def settle(self, sequence: int) -> None:
        """Note that a stanza is safe, and give the answers that waited for it."""
        if self.unsafe.pop(sequence, None) is None or sequence > self._wanted:
            return
        self._awaited -= 1
        if not self._awaited:
            answers, self._answers, self._wanted = self._answers, [], 0
            self.told = self.safe
            for answer in answers:
                answer(self.told)
