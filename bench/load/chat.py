"""Chat: sessions 2i and 2i+1 send messages to each other, in a closed loop or at a given rate."""

from __future__ import annotations

import re
import time

from bench.load.crowd import Crowd
from bench.load.faults import Sequence, lost_in_total
from bench.load.session import Session
from bench.load.workload import Workload

#: Run, sender, number, time of sending; then the padding.
_BODY = re.compile(rb"<body>(\d+):(\d+):(\d+):(\d+):(x*)</body>")
PADDING_BYTES = 64
_PADDING = b"x" * PADDING_BYTES


class Chat(Workload):
    """Each sender has `window` messages under way, or, with `rate`, all send so many a second, whatever comes back."""

    def __init__(self, crowd: Crowd, window: int = 1, rate: float = 0.0) -> None:
        super().__init__(crowd)
        self.window = window
        self.rate = rate
        sessions = crowd.sessions[: len(crowd.sessions) // 2 * 2]
        self._sessions = sessions
        count = len(sessions)
        self._sent = [0] * count
        self._received = [Sequence() for _ in range(count)]  # by sender
        self._heads = [
            b"<message to='%s' type='chat' id='m" % sessions[i ^ 1].bare  # to the bare JID, as clients do at first
            for i in range(count)
        ]
        # The address that the server must have stamped, in either quotes.
        self._stamps = [(b" from='%s'" % one.address, b' from="%s"' % one.address) for one in sessions]
        self._under_way = 0
        self._next_ns = 0
        self._turn = 0
        self._begin_run()

    def _begin_run(self) -> None:
        """Mark the messages from now on, so that late ones of a run that was given up are told apart."""
        self._run = time.time_ns() % 1_000_000_000
        self._bodies = [b"'><body>%d:%d:" % (self._run, i) for i in range(len(self._sessions))]

    def start(self) -> None:
        if self.rate:
            self._next_ns = time.perf_counter_ns()
            return
        for _ in range(self.window):
            for index in range(len(self._sessions)):
                self._send(index)

    def _send(self, index: int) -> None:
        number = self._sent[index]
        self._sent[index] = number + 1
        self._under_way += 1
        self._sessions[index].send_stanza(
            self._heads[index]
            + b"%d" % number
            + self._bodies[index]
            + b"%d:%d:" % (number, time.perf_counter_ns())
            + _PADDING
            + b"</body></message>"
        )

    def pump(self, now_ns: int) -> float:
        if not self.rate:
            return 0.1
        interval_ns = int(1e9 / self.rate)
        count = len(self._sessions)
        while self._next_ns <= now_ns:
            self.lateness_ns.append(now_ns - self._next_ns)
            self._turn = (self._turn + 7919) % count  # a prime: neighbours in time are not neighbours in the list
            self._send(self._turn)
            self._next_ns += interval_ns
        return (self._next_ns - now_ns) / 1e9

    def receive(self, session: Session, element: bytes) -> None:
        body = _BODY.search(element)
        head = element[: element.find(b">")]
        if body is None or b" type='error'" in head or b' type="error"' in head:
            if element.startswith(b"<message"):
                self.faults["errors"] += 1
            return
        run, sender, number, sent_ns, padding = body.groups()
        if int(run) != self._run:
            self.faults["stale"] += 1
            return
        index = int(sender)
        if index ^ 1 != session.index:
            self.faults["misrouted"] += 1
            return
        plain, quoted = self._stamps[index]
        if head.count(b" from=") != 1 or (plain not in head and quoted not in head):
            self.faults["wrong-from"] += 1
        if len(padding) != PADDING_BYTES:
            self.faults["altered"] += 1
        if self._received[index].receive(int(number), self.faults):
            self._under_way -= 1
            self.delivered += 1
            self.latencies_ns.append(time.perf_counter_ns() - int(sent_ns))
            if self.running and not self.rate:
                self._send(index)

    @property
    def sent(self) -> int:
        """How many messages were sent in all."""
        return sum(self._sent)

    def drained(self) -> bool:
        return self._under_way <= 0

    def lost(self) -> int:
        lost = lost_in_total(zip(self._received, self._sent, strict=True))
        if lost:
            for one, sent in zip(self._received, self._sent, strict=True):
                one.give_up(sent)
            self._under_way = 0
            self._begin_run()
        return lost
