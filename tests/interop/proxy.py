"""A TCP proxy between a client and the server which can cut the connection, as a change of networks does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.peers import Address

CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards bytes to `target`, for all connections that come."""

    def __init__(self, target: Address) -> None:
        #: Where new connections go to.
        self.target = target
        self.address: Address = ("", 0)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = host, port

    async def stop(self) -> None:
        """Stop listening, and cut what is open."""
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving)

    def cut(self) -> None:
        """Break all connections; bytes on their way are lost."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._passing.set()

    def hold(self) -> None:
        """Let nothing through, in both directions, until the next cut: the peers do not notice."""
        self._passing.clear()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            server, to_server = await asyncio.open_connection(*self.target)
        except OSError:
            to_client.transport.abort()
            return
        self._writers |= {to_client, to_server}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(client, to_server), self._pump(server, to_client))
        for writer in (to_client, to_server):
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._passing.wait()
            if writer.transport.is_closing():
                return
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


@contextlib.asynccontextmanager
async def proxied(target: Address) -> AsyncIterator[Proxy]:
    """A proxy that is gone at the end."""
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
