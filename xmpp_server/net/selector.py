"""Bounds a turn of the event loop: however many sockets are ready, some are served, then others get their turn."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Mapping
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

#: Sockets served in one turn: some milliseconds of stanzas, some tens of milliseconds of TLS handshakes.
AT_ONCE: Final = 128

# An error or a hang-up wakes both readers and writers.
_READABLE: Final = ~select.EPOLLOUT
_WRITABLE: Final = ~select.EPOLLIN


def event_loop() -> asyncio.AbstractEventLoop:
    """Make the event loop of a server process."""
    return asyncio.SelectorEventLoop(TurnSelector())


class TurnSelector(BaseSelector):
    """Watches files by epoll, and reports at most `AT_ONCE` of them at a time; those first that waited longest.

    The selectors of the standard library report all files that are ready. With 10,000 busy connections one turn of the
    loop may take a third of a second, in which no timer fires and nothing that was written goes out.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[FileDescriptorLike, SelectorKey] = {}

    def register(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> SelectorKey:
        """Watch a file.

        Raises:
            KeyError: It is watched already.
            OSError: It is closed, or of a kind that is never waited for.

        """
        fd = _number(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is watched already")
        self._epoll.register(fd, _mask(events))
        key = self._keys[fd] = SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> SelectorKey:
        """Watch a file no more; raises KeyError if it was not watched."""
        key = self._keys.pop(_number(fileobj))
        with contextlib.suppress(OSError):  # a closed file is not watched any more
            self._epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> SelectorKey:
        """Watch a file for other events; raises KeyError if it is not watched."""
        fd = _number(fileobj)
        old = self._keys[fd]
        if events != old.events:
            self._epoll.modify(fd, _mask(events))
        key = self._keys[fd] = SelectorKey(old.fileobj, fd, events, data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return files that are ready, and for what; wait for them `timeout` seconds at most (None: for ever)."""
        try:
            found = self._epoll.poll(timeout, AT_ONCE)
        except InterruptedError:
            return []
        ready = []
        keys = self._keys
        for fd, event in found:
            key = keys.get(fd)
            if key is not None:
                events = (EVENT_READ if event & _READABLE else 0) | (EVENT_WRITE if event & _WRITABLE else 0)
                ready.append((key, events & key.events))
        return ready

    def get_key(self, fileobj: FileDescriptorLike) -> SelectorKey:
        """Return how a file is watched; raises KeyError if it is not."""
        return self._keys[_number(fileobj)]

    def get_map(self) -> Mapping[FileDescriptorLike, SelectorKey]:
        """Return what is watched, by file descriptor."""
        return self._keys

    def close(self) -> None:
        """Watch nothing more."""
        self._epoll.close()
        self._keys.clear()


def _number(fileobj: FileDescriptorLike) -> int:
    return fileobj if isinstance(fileobj, int) else fileobj.fileno()


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & EVENT_READ else 0) | (select.EPOLLOUT if events & EVENT_WRITE else 0)
