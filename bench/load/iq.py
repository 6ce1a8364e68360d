"""XEP-0199 pings from each session to the server, in a closed loop."""

from __future__ import annotations

import time

from bench.load.crowd import Crowd
from bench.load.elements import attribute
from bench.load.faults import Sequence, lost_in_total
from bench.load.session import Session
from bench.load.workload import Workload


class Ping(Workload):
    """Each session has one ping under way; a unit of work is a ping answered."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self._domain = crowd.sessions[0].options.domain
        self._sent = [0] * len(crowd.sessions)
        self._sent_ns = [0] * len(crowd.sessions)
        self._received = [Sequence() for _ in crowd.sessions]
        self._tail = b"' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % self._domain

    def start(self) -> None:
        for session in self.crowd.sessions:
            self._send(session)

    def _send(self, session: Session) -> None:
        index = session.index
        number = self._sent[index]
        self._sent[index] = number + 1
        self._sent_ns[index] = time.perf_counter_ns()
        session.send_stanza(b"<iq type='get' id='p%d" % number + self._tail)

    def receive(self, session: Session, element: bytes) -> None:
        identifier = attribute(element, b"id")
        if not element.startswith(b"<iq") or identifier is None or identifier[:1] != b"p":
            return
        if attribute(element, b"type") != b"result":
            self.faults["errors"] += 1
        if attribute(element, b"from") != self._domain:
            self.faults["wrong-from"] += 1
        index = session.index
        if self._received[index].receive(int(identifier[1:]), self.faults):
            self.delivered += 1
            self.latencies_ns.append(time.perf_counter_ns() - self._sent_ns[index])
            if self.running:
                self._send(session)

    def drained(self) -> bool:
        return all(one.expected == sent for one, sent in zip(self._received, self._sent, strict=True))

    def lost(self) -> int:
        lost = lost_in_total(zip(self._received, self._sent, strict=True))
        for one, sent in zip(self._received, self._sent, strict=True):
            one.give_up(sent)
        return lost
