"""External components in a `World`: connections without sockets, which say and hear XML.

files = plug(world, "files.example.org")
line = files.connects()
line.says("<message from='files.example.org' to='romeo@example.org'/>")
assert [element.name for element in line.hears()] == ["message"]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tests.world import Hearing, RecordingTransport, World
from xmpp_server.core.component import Component
from xmpp_server.core.component_limits import ComponentLimits
from xmpp_server.core.component_line import Line
from xmpp_server.core.grants import Grants
from xmpp_server.errors import StreamError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import COMPONENT, STREAM
from xmpp_server.xml.scanner import ScanLimits, Scanner
from xmpp_server.xml.stanza import Stanza

HEADER = f"<stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAM}'>".encode()


class PluggedLine:
    """One connection of a component, after its handshake."""

    def __init__(self, world: World, component: Component, domain: str) -> None:
        self.world = world
        self.link = RecordingTransport()
        self.error: StreamError | None = None
        self._hearing = Hearing()
        self._scanner = Scanner(ScanLimits())
        self._scanner.feed(HEADER)
        self._scanner.step = False
        self._inbox: deque[Stanza] = deque()
        self._busy = False
        self.line: Line = component.attach(domain, self.link)
        world.settle()

    def says(self, *xml: str) -> None:
        """Send stanzas, each awaited before the next is given to the server; a stream error ends the connection."""
        for text in xml:
            for event in self._scanner.feed(text.encode()):
                assert isinstance(event, Stanza), event
                self._inbox.append(event)
        self._pump()
        self.world.settle()

    def _pump(self) -> None:
        while self._inbox and not self._busy and self.error is None:
            try:
                wait = self.line.receive(self._inbox.popleft())
            except StreamError as error:
                self.error = error
                self.drops()
                return
            if wait is not None:
                self._busy = True
                self.world.runtime.start(_await(wait), self._resume)

    def _resume(self) -> None:
        self._busy = False
        self._pump()

    def hears(self) -> list[Element]:
        """What came since the last call, parsed."""
        return [stanza.element for stanza in self._hearing.read(self.link.take())]

    def drops(self) -> None:
        """Lose the connection."""
        self.line.end()
        self.world.settle()


class Plugged:
    """A component that the configuration of the world knows."""

    def __init__(self, world: World, component: Component) -> None:
        self.world = world
        self.component = component

    def connects(self, domain: str | None = None) -> PluggedLine:
        """Open a connection for one of the domains."""
        return PluggedLine(self.world, self.component, domain or str(self.component.jid))


def plug(
    world: World,
    *domains: str,
    limits: ComponentLimits | None = None,
    privileges: Sequence[str] = (),
    delegate: Sequence[str] = (),
) -> Plugged:
    """Give the world a component. Those with grants come before the modules that look at grants."""
    grants = Grants.parse(privileges, delegate)
    component = Component(domains, world.router, world.runtime, limits, grants)
    world.router.components.add(component)
    return Plugged(world, component)


async def _await(wait: object) -> None:
    await wait  # type: ignore[misc]
