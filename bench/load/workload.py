"""What the measuring loop knows of a load: it starts, it may owe something at a time, it stops and is checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array

from bench.load.crowd import Crowd
from bench.load.faults import Faults
from bench.load.session import Session

#: Seconds that what is under way may take to arrive once no more is sent; what is missing then is lost.
DRAIN_S = 15.0


class Workload(ABC):
    """A load on one crowd. `delivered` counts units of work; latencies are nanoseconds from sending to arrival."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.faults = Faults()
        self.delivered = 0
        self.latencies_ns = array("q")
        #: Open loops only: how late the generator itself was, nanoseconds for each message.
        self.lateness_ns = array("q")
        self.running = False

    def begin(self) -> None:
        """Take the sessions over and send the first stanzas."""
        self.running = True
        for session in self.crowd.sessions:
            session.on_element = self.receive
        self.start()

    def finish(self) -> None:
        """Stop, wait for what is under way, and count what has not come."""
        self.running = False
        self.crowd.reactor.run_until(self.drained, DRAIN_S)
        self.faults["lost"] += self.lost()
        self.faults["dropped-sessions"] += self.crowd.dropped
        self.crowd.dropped = 0

    def reset_samples(self) -> None:
        """Forget the latencies noted so far."""
        del self.latencies_ns[:]
        del self.lateness_ns[:]

    @abstractmethod
    def start(self) -> None:
        """Send the first stanzas."""

    @abstractmethod
    def receive(self, session: Session, element: bytes) -> None:
        """Take an element that a session received."""

    def pump(self, now_ns: int) -> float:
        """Send what is due (open loops); return the seconds until there is more to do."""
        return 0.1

    @abstractmethod
    def drained(self) -> bool:
        """Tell whether nothing is under way."""

    @abstractmethod
    def lost(self) -> int:
        """How much has not come, and forget about it."""
