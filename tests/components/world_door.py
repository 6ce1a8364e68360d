"""Our components in a `World`: they come in by a Unix socket, as on a server, and hear the clients of a transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.plugged import Plugged, PluggedLine
from tests.transcript import acts
from tests.world import Hearing, World
from xmpp_server.streams.component import ComponentStream
from xmpp_server.streams.events import Authenticated, Ended
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.xml.stanza import Stanza

SECRET = "open sesame"
TIMEOUT_S = 10.0


class WorldDoor:
    """The world's door for components. It is the `ComponentPolicy` of those who come in, too."""

    limits = StreamLimits()
    default_domain = "localhost"

    def __init__(self, world: World, path: Path, *plugged: Plugged) -> None:
        self.address = f"unix:{path}"
        self._world = world
        self._path = path
        self._plugged = {str(domain): one for one in plugged for domain in one.component.domains}
        self._wires: list[_Wire] = []
        self._server: asyncio.Server | None = None

    def stream_id(self) -> str:
        return f"id{len(self._wires)}"

    def secret(self, domain: str) -> str | None:
        return SECRET if domain in self._plugged else None

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_unix_server(self._wire, self._path)

    def _wire(self) -> asyncio.Protocol:
        self._wires.append(_Wire(self))
        return self._wires[-1]

    def attach(self, domain: str) -> PluggedLine:
        return self._plugged[domain].connects(domain)

    async def play(self, text: str, act: Callable[[str], Awaitable[None]] | None = None) -> None:
        """Play a transcript; `act` does the lines that mean nothing to the world."""
        await self.settle()
        for line in acts(self._world, text):
            if line:
                assert act is not None, f"not a line of a transcript: {line}"
                await act(line)
            await self.settle()

    async def settle(self) -> None:
        """Carry what the world and the components have to say, until all requests are answered."""
        while any([await wire.carry() for wire in self._wires]):
            pass

    async def close(self) -> None:
        """Close the door behind the components, which have left."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


class _Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, door: WorldDoor) -> None:
        self._door = door
        self._stream = ComponentStream(door, 0.0)
        self._hearing = Hearing()
        self._said: asyncio.Queue[Stanza] = asyncio.Queue()
        self._line: PluggedLine | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        events = self._stream.receive(data, 0.0)
        self._transport.write(self._stream.outgoing())
        for event in events:
            if isinstance(event, Authenticated):
                self._line = self._door.attach(event.username)
            elif isinstance(event, Stanza):
                self._said.put_nowait(event)
            elif isinstance(event, Ended):
                self._transport.close()

    async def carry(self) -> bool:
        """Tell the component what there is, and the world the answers; tell whether there was anything."""
        data = b"" if self._line is None else self._line.link.take()
        if self._line is None or not data:
            return False
        open_ = sum(one.name == "iq" and one.type in ("get", "set") for one in self._hearing.read(data))
        self._transport.write(data)
        while open_:
            async with asyncio.timeout(TIMEOUT_S):
                said = await self._said.get()
            self._line.says(said.raw.decode())
            open_ -= said.name == "iq" and said.type in ("result", "error")
        return True
