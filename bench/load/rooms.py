"""Rooms: in each one occupant speaks, and a unit of work is a message that one occupant has got (XEP-0045 §7.4)."""

from __future__ import annotations

import time
from collections import deque

from bench.load.crowd import Crowd, CrowdError
from bench.load.faults import Sequence
from bench.load.session import Session
from bench.load.workload import Workload

PADDING_BYTES = 64
JOINS_AT_ONCE = 16
JOIN_TIMEOUT_S = 600.0
_PADDING = b"x" * PADDING_BYTES
_ITSELF = (b"code='110'", b'code="110"')


class Rooms(Workload):
    """Sessions 0 to n-1 are in the first room, the next n in the second, and so on; `window` messages are under way."""

    def __init__(self, crowd: Crowd, occupants: int, window: int = 1) -> None:
        super().__init__(crowd)
        self.occupants = occupants
        self.window = window
        sessions = crowd.sessions
        count = len(sessions) // occupants
        domain = sessions[0].options.domain
        self._rooms = [b"%dx%d-%d@conference.%s" % (count, occupants, i, domain) for i in range(count)]
        self._sent = [0] * count
        #: By room and number: occupants that have not got a message.
        self._left: list[dict[int, int]] = [{} for _ in range(count)]
        self._received = [Sequence() for _ in sessions]
        self._heads = [b"<message to='%s' type='groupchat' id='m" % room for room in self._rooms]
        # The address that the room must have stamped, in either quotes.
        self._stamps = [(b" from='%s/n%d'" % (room, i), b' from="%s/n%d"' % (room, i)) for i, room in self._speakers()]
        self._run = 0

    def _speakers(self) -> list[tuple[int, bytes]]:
        return [(i * self.occupants, room) for i, room in enumerate(self._rooms)]

    def enter(self) -> float:
        """Open the rooms and have everybody join; return the seconds that took.

        Raises:
            CrowdError: Somebody was not let in.

        """
        began = time.perf_counter()
        sessions = self.crowd.sessions[: len(self._rooms) * self.occupants]
        waiting = deque(self._speakers())
        waiting.extend((one.index, self._room_of(one)) for one in sessions if one.index % self.occupants)
        joining: set[int] = set()
        refused: list[bytes] = []

        def heard(session: Session, element: bytes) -> None:
            if session.index not in joining:
                return
            if b"type='error'" in element or b'type="error"' in element:
                refused.append(element)
            elif element.startswith(b"<iq"):
                joining.discard(session.index)
            elif element.startswith(b"<presence") and any(code in element for code in _ITSELF):
                if session.index % self.occupants:
                    joining.discard(session.index)
                else:  # XEP-0045 §10.1.2: the room opens with the defaults
                    session.send_stanza(
                        b"<iq type='set' id='open' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                        b"<x xmlns='jabber:x:data' type='submit'/></query></iq>" % self._room_of(session)
                    )

        def done() -> bool:
            while waiting and len(joining) < JOINS_AT_ONCE:
                if waiting[0][0] % self.occupants and any(one % self.occupants == 0 for one in joining):
                    break  # all rooms are open before the others come
                index, room = waiting.popleft()
                joining.add(index)
                self.crowd.sessions[index].send_stanza(
                    b"<presence to='%s/n%d'><x xmlns='http://jabber.org/protocol/muc'>"
                    b"<history maxstanzas='0'/></x></presence>" % (room, index)
                )
            return bool(refused) or not (waiting or joining)

        for session in sessions:
            session.on_element = heard
        if not self.crowd.reactor.run_until(done, JOIN_TIMEOUT_S) or refused:
            reason = refused[0][:300].decode(errors="replace") if refused else f"not in {JOIN_TIMEOUT_S:.0f} s"
            raise CrowdError(f"{len(waiting) + len(joining)} of {len(sessions)} are not in their rooms: {reason}")
        return time.perf_counter() - began

    def _room_of(self, session: Session) -> bytes:
        return self._rooms[session.index // self.occupants]

    def start(self) -> None:
        self._run = time.time_ns() % 1_000_000_000
        for room in range(len(self._rooms)):
            for _ in range(self.window):
                self._send(room)

    def _send(self, room: int) -> None:
        number = self._sent[room]
        self._sent[room] = number + 1
        self._left[room][number] = self.occupants
        self.crowd.sessions[room * self.occupants].send_stanza(
            self._heads[room]
            + b"%d'><body>%d:%d:%d:%d:" % (number, self._run, room, number, time.perf_counter_ns())
            + _PADDING
            + b"</body></message>"
        )

    def receive(self, session: Session, element: bytes) -> None:
        begin = element.find(b"<body>") + 6
        if begin < 6:
            if element.startswith(b"<message") and b"<subject" not in element:
                self.faults["errors"] += 1
            return
        head = element[: element.find(b">")]
        if b" type='error'" in head or b' type="error"' in head:
            self.faults["errors"] += 1
            return
        run, spoken_in, text, sent_ns, padding = element[begin : element.find(b"<", begin)].split(b":")
        if int(run) != self._run:
            self.faults["stale"] += 1
            return
        room, number = int(spoken_in), int(text)
        if room != session.index // self.occupants:
            self.faults["misrouted"] += 1
            return
        plain, quoted = self._stamps[room]
        if (plain not in head and quoted not in head) or head.count(b" from=") != 1:
            self.faults["wrong-from"] += 1
        if padding != _PADDING:
            self.faults["altered"] += 1
        if not self._received[session.index].receive(number, self.faults):
            return
        self.delivered += 1
        self.latencies_ns.append(time.perf_counter_ns() - int(sent_ns))
        left = self._left[room]
        if left.get(number, 0) > 1:
            left[number] -= 1
        elif left.pop(number, None) and self.running:
            self._send(room)

    def drained(self) -> bool:
        return not any(self._left)

    def lost(self) -> int:
        lost = sum(sum(left.values()) for left in self._left)
        if lost:
            for left in self._left:
                left.clear()
            for index, one in enumerate(self._received):
                one.give_up(self._sent[min(index // self.occupants, len(self._sent) - 1)])
        return lost
