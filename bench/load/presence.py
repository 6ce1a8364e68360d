"""Presence updates to mutual contacts: who is active changes status, and all contacts hear of it."""

from __future__ import annotations

import re
import time
from collections import defaultdict

from bench.load.crowd import Crowd
from bench.load.elements import attribute
from bench.load.faults import Sequence
from bench.load.session import Session
from bench.load.workload import Workload

_STATUS = re.compile(rb"<status>(\d+):(\d+):(\d+)</status>")


def contacts_of(index: int, count: int, contacts: int) -> list[int]:
    """Return the neighbours of a user in a ring of `count`, half of them on either side."""
    half = contacts // 2
    return [(index + offset) % count for offset in range(-half, half + 1) if offset]


class Presence(Workload):
    """`active` users at once are waiting until all contacts have their update; then the next user is active."""

    def __init__(self, crowd: Crowd, contacts: int = 20, active: int = 10) -> None:
        super().__init__(crowd)
        count = len(crowd.sessions)
        self._active = active
        self._contacts = [frozenset(contacts_of(i, count, contacts)) for i in range(count)]
        self._sent = [0] * count
        self._waiting: dict[int, set[int]] = {}  # active user -> contacts that have not heard
        self._sequences: defaultdict[tuple[int, int], Sequence] = defaultdict(Sequence)
        self._next = 0

    def start(self) -> None:
        for _ in range(self._active):
            self._send_next()

    def _send_next(self) -> None:
        while self._next in self._waiting:
            self._next = (self._next + 1) % len(self._sent)
        index = self._next
        self._next = (index + 1) % len(self._sent)
        number = self._sent[index]
        self._sent[index] = number + 1
        self._waiting[index] = set(self._contacts[index])
        self.crowd.sessions[index].send_stanza(
            b"<presence><show>away</show><status>%d:%d:%d</status></presence>" % (index, number, time.perf_counter_ns())
        )

    def receive(self, session: Session, element: bytes) -> None:
        status = _STATUS.search(element)
        if status is None:
            if attribute(element, b"type") == b"error":
                self.faults["errors"] += 1
            return
        sender, number, sent_ns = map(int, status.groups())
        receiver = session.index
        if sender == receiver:
            return  # RFC 6121 §4.4.2: the own resources hear of it, too
        if receiver not in self._contacts[sender]:
            self.faults["misrouted"] += 1
            return
        if attribute(element, b"from") != self.crowd.sessions[sender].address:
            self.faults["wrong-from"] += 1
        if self._sequences[sender, receiver].receive(number, self.faults):
            self.delivered += 1
            self.latencies_ns.append(time.perf_counter_ns() - sent_ns)
            waiting = self._waiting.get(sender)
            if waiting is None:
                return  # given up already
            waiting.discard(receiver)
            if not waiting:
                del self._waiting[sender]
                if self.running:
                    self._send_next()

    def drained(self) -> bool:
        return not self._waiting

    def lost(self) -> int:
        lost = sum(len(waiting) for waiting in self._waiting.values())
        self._waiting.clear()
        return lost
