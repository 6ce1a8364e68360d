"""The event loop: one epoll for all sessions, and an account of the time spent waiting in it."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Protocol

_READ = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR


class Endpoint(Protocol):
    """What the reactor calls."""

    def readable(self) -> None:
        """Data, or the end of the connection, is there."""

    def writable(self) -> None:
        """The kernel takes bytes again."""


class Reactor:
    """Level-triggered epoll; `waited_s` and `longest_turn_s` tell how busy the generator itself was.

    `longest_silence_s` is the longest that it has waited for anything at all to happen.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._endpoints: dict[int, Endpoint] = {}
        self.waited_s = 0.0
        self.longest_turn_s = 0.0
        self.longest_silence_s = 0.0
        self._silence_s = 0.0

    def add(self, fd: int, endpoint: Endpoint, *, writing: bool) -> None:
        """Watch a descriptor for reading, and for writing if `writing`."""
        self._endpoints[fd] = endpoint
        self._epoll.register(fd, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def watch_writing(self, fd: int, writing: bool) -> None:
        """Start or stop watching for writing."""
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def remove(self, fd: int) -> None:
        """Forget a descriptor, before it is closed."""
        del self._endpoints[fd]
        self._epoll.unregister(fd)

    def turn(self, timeout_s: float) -> None:
        """Wait at most `timeout_s`, then serve all that is ready."""
        began = time.perf_counter()
        ready = self._epoll.poll(max(timeout_s, 0.0), 1024)
        woke = time.perf_counter()
        self.waited_s += woke - began
        self._silence_s += woke - began
        self.longest_silence_s = max(self.longest_silence_s, self._silence_s)
        if ready:
            self._silence_s = 0.0
        endpoints = self._endpoints
        for fd, events in ready:
            endpoint = endpoints.get(fd)
            if endpoint is None:
                continue  # closed by another one in this turn
            if events & select.EPOLLOUT:
                endpoint.writable()
            if events & _READ and fd in endpoints:
                endpoint.readable()
        self.longest_turn_s = max(self.longest_turn_s, time.perf_counter() - woke)

    def run_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Turn until `done()`; False if it was not within `timeout_s`."""
        deadline = time.perf_counter() + timeout_s
        while not done():
            left = deadline - time.perf_counter()
            if left <= 0:
                return False
            self.turn(min(left, 0.1))
        return True

    def run_for(self, duration_s: float) -> None:
        """Turn for a time."""
        self.run_until(lambda: False, duration_s)
