"""Accepts connections on TCP and Unix sockets, within a cap for each address."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import structlog

from xmpp_server.net import addresses
from xmpp_server.net.addresses import customer
from xmpp_server.net.connection import Connection

#: How long nothing is accepted after the process ran out of file descriptors or memory.
EXHAUSTED_PAUSE_S = 1.0
#: Accepted in one turn of the loop: what they send (a handshake costs a millisecond) then comes in portions too.
_ACCEPT_BATCH = 16
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = structlog.get_logger(__name__)


class Listener:
    """One door of the server: some addresses, and what to do with who comes.

    asyncio's own server is not used since it accepts up to the whole backlog in one turn, cannot refuse before it
    has built a transport, and schedules a retry for each place of the backlog when file descriptors run out.
    """

    __slots__ = ("_counts", "_factory", "_loop", "_opening", "_per_address", "_retry", "_sockets")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, factory: Callable[[], Connection], *, per_address: int = 0
    ) -> None:
        """Make a closed door.

        Args:
            loop: The event loop.
            factory: Makes the connection, with its handler, for each peer.
            per_address: Most connections at once from one IP address (from one /64 for IPv6); 0 is no limit.
                Loopback addresses and Unix sockets, where proxies and components come from, are exempt.

        """
        self._loop = loop
        self._factory = factory
        self._per_address = per_address
        self._sockets: list[socket.socket] = []
        self._counts: dict[str, int] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    async def open(self, texts: Iterable[str]) -> list[str]:
        """Listen on addresses of the forms of `addresses.parse_address`; return those bound, with real ports.

        Raises:
            AddressError: One is malformed.
            OSError: One cannot be bound; then none is.

        """
        bound = await addresses.bind(texts)
        self._sockets.extend(bound)
        for one in bound:
            self._loop.add_reader(one, self._accept, one)
        return [addresses.describe(one) for one in bound]

    async def close(self) -> None:
        """Listen no more; connections that were accepted live on."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for one in self._sockets:
            self._loop.remove_reader(one)
        addresses.close(self._sockets)
        self._sockets.clear()
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                accepted, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            accepted.setblocking(False)
            key = self._key(name)
            if key is not None:
                count = self._counts.get(key, 0)
                if count >= self._per_address:
                    accepted.close()
                    continue
                self._counts[key] = count + 1
            task = self._loop.create_task(self._open(accepted, key))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket, key: str | None) -> None:
        """Give an accepted socket its transport; this short task is the only one of a connection."""
        connection = self._factory()
        if key is not None:
            connection.on_end = lambda: self._leave(key)
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError as error:  # the peer is gone already
            accepted.close()
            if key is not None:
                self._leave(key)
            _log.info("accept_failed", reason=error.strerror)

    def _key(self, name: object) -> str | None:
        """What connections are counted by; None is not counted."""
        if not self._per_address or not isinstance(name, tuple):
            return None
        return None if ip_address(name[0].partition("%")[0]).is_loopback else customer(name[0])

    def _leave(self, key: str) -> None:
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]

    def _pause(self, error: OSError) -> None:
        """Let the kernel keep who comes until some file descriptors are free again."""
        for one in self._sockets:
            self._loop.remove_reader(one)
        if self._retry is None:
            _log.error("accept_paused", reason=error.strerror, pause_s=EXHAUSTED_PAUSE_S)
            self._retry = self._loop.call_later(EXHAUSTED_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._retry = None
        for one in self._sockets:
            self._loop.add_reader(one, self._accept, one)
