"""What all connections of one event loop share: the receive buffer and the flush of their outboxes."""

from __future__ import annotations

import asyncio
from typing import Protocol

#: Bytes taken from a socket at once. asyncio's own 256 KiB a read costs an mmap and its page faults every time.
RECEIVE_BUFFER_BYTES = 65536
#: Connections that are flushed in one turn of the loop: some milliseconds of system calls.
AT_ONCE = 500


class Flushable(Protocol):
    """Something that was written to in this turn of the loop."""

    def flush(self) -> None:
        """Hand what is queued to the kernel; never raises."""


class LoopIO:
    """One for each event loop, given to every `Connection`."""

    __slots__ = ("_dirty", "loop", "receive_buffer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        #: Valid only until the next read: a receiver copies what it keeps.
        self.receive_buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._dirty: list[Flushable] = []

    def mark(self, connection: Flushable) -> None:
        """Flush a connection once, after all that is ready in this turn of the loop was handled."""
        if not self._dirty:
            self.loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty = self._dirty
        self._dirty = []
        if len(dirty) > AT_ONCE:  # a message to thousands: others are heard in between
            self._dirty = dirty[AT_ONCE:]
            del dirty[AT_ONCE:]
            self.loop.call_soon(self._flush)
        for connection in dirty:
            connection.flush()
