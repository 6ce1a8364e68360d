"""The longest stall of a server: a process of its own pings it ten times a second and writes down the longest wait.

Run as `python -m bench.load.stall HOST PORT DOMAIN USER PASSWORD`; it says "ready", and at the end of its input it
prints one JSON object. It is apart from the load generator so that the generator's own work is not taken for a stall.
"""

from __future__ import annotations

import json
import select
import sys
import time

from bench.load.elements import attribute
from bench.load.reactor import Reactor
from bench.load.session import Session, SessionOptions

INTERVAL_S = 0.1


def main() -> int:
    """Ping until standard input ends."""
    host, port, domain, user, password = sys.argv[1:]
    reactor = Reactor()
    session = Session(reactor, SessionOptions(host, int(port), domain.encode(), password.encode()), 0, user.encode())
    session.connect()
    if not reactor.run_until(lambda: session.ready_at > 0 or not session.open, 30.0) or not session.open:
        print(json.dumps({"error": session.failure or "no session in 30 s"}), flush=True)
        return 1
    sent_at: dict[bytes, float] = {}
    waits_ms: list[float] = []
    late_ms = 0.0

    def receive(_session: Session, element: bytes) -> None:
        began = sent_at.pop(attribute(element, b"id") or b"", None)
        if began is not None:
            waits_ms.append((time.perf_counter() - began) * 1e3)

    session.on_element = receive
    print("ready", flush=True)
    due = time.perf_counter()
    number = 0
    while session.open and not select.select([sys.stdin], [], [], 0)[0]:
        now = time.perf_counter()
        if now >= due:
            late_ms = max(late_ms, (now - due) * 1e3)
            identifier = b"s%d" % number
            number += 1
            sent_at[identifier] = now
            session.send(
                b"<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (identifier, domain.encode())
            )
            due = max(due + INTERVAL_S, now)
        reactor.turn(min(due - time.perf_counter(), 0.02))
    reactor.run_until(lambda: not sent_at or not session.open, 15.0)
    waits_ms += [15_000.0] * len(sent_at)
    waits_ms.sort()
    print(
        json.dumps(
            {
                "pings": number,
                "p50_ms": waits_ms[len(waits_ms) // 2] if waits_ms else None,
                "max_ms": waits_ms[-1] if waits_ms else None,
                "pinger_late_ms": late_ms,
            }
        ),
        flush=True,
    )
    session.drop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
