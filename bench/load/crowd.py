"""Many sessions of one server: signed in a few at a time, held, and signed out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.load.reactor import Reactor
from bench.load.session import Session, SessionOptions


class CrowdError(Exception):
    """The sessions could not be brought up; the text has the first failure."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How signing in went: seconds in all, and milliseconds for each session."""

    took_s: float
    each_ms: list[float]


class Crowd:
    """Sessions u0, u1, ... (or another prefix) of one server, or in turns of several: u0 of each, u1 of each, ..."""

    def __init__(
        self, reactor: Reactor, options: SessionOptions, count: int, prefix: str = "u", *more: SessionOptions
    ) -> None:
        self.reactor = reactor
        servers = (options, *more)
        self.sessions = [
            Session(reactor, servers[i % len(servers)], i, f"{prefix}{i // len(servers)}".encode())
            for i in range(count)
        ]
        #: Sessions that ended though nobody asked them to.
        self.dropped = 0

    def sign_in(self, at_once: int = 32, timeout_s: float = 300.0) -> SignIn:
        """Bring all sessions up, `at_once` of them on their way at any time.

        Raises:
            CrowdError: a session failed, or the time is over.

        """
        left = iter(self.sessions)
        ready: list[Session] = []
        failed: list[Session] = []

        def start_next() -> None:
            session = next(left, None)
            if session is not None:
                session.connect()

        def on_ready(session: Session) -> None:
            ready.append(session)
            start_next()

        for session in self.sessions:
            session.on_ready = on_ready
            session.on_end = failed.append
        began = time.perf_counter()
        for _ in range(min(at_once, len(self.sessions))):
            start_next()
        total = len(self.sessions)
        done = self.reactor.run_until(lambda: len(ready) == total or bool(failed), timeout_s)
        took_s = time.perf_counter() - began
        if failed or not done:
            reason = failed[0].failure if failed else f"not done in {timeout_s:.0f} s"
            self.drop()
            raise CrowdError(f"{len(ready)} of {total} sessions came up; {reason}")
        for session in self.sessions:
            session.on_end = self._dropped
        return SignIn(took_s, [(session.ready_at - session.began) * 1e3 for session in self.sessions])

    def settle(self, quiet_s: float = 0.3, timeout_s: float = 20.0) -> None:
        """Wait until nothing arrives any more (presence of contacts)."""
        last = [time.perf_counter()]

        def heard(_session: Session, _element: bytes) -> None:
            last[0] = time.perf_counter()

        for session in self.sessions:
            session.on_element = heard
        self.reactor.run_until(lambda: time.perf_counter() - last[0] > quiet_s, timeout_s)

    def sign_out(self, timeout_s: float = 30.0) -> None:
        """Close all streams in good order; who does not answer in time is dropped."""
        for session in self.sessions:
            session.on_end = _expected
            if session.open:
                session.close_stream()
        self.reactor.run_until(lambda: not any(session.open for session in self.sessions), timeout_s)
        self.drop()

    def drop(self) -> None:
        """Close all sockets at once."""
        for session in self.sessions:
            session.on_end = _expected
            session.drop()

    @property
    def failure(self) -> str | None:
        """Why the first session of those that failed did."""
        return next((session.failure for session in self.sessions if session.failure), None)

    def _dropped(self, _session: Session) -> None:
        self.dropped += 1


def _expected(_session: Session) -> None:
    """Do nothing."""
