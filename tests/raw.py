"""A client of sockets and text, which knows no XMPP library: it can send anything, and answers nothing by itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from weakref import WeakSet
from xml.etree import ElementTree as ET

from tests.peers import DOMAIN, PASSWORD, Address, trusting

STREAM = "{http://etherx.jabber.org/streams}"
CLIENT = "{jabber:client}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SM = "{urn:xmpp:sm:3}"
STANZAS = (CLIENT + "message", CLIENT + "presence", CLIENT + "iq")
HEADER = (
    f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xml:lang='en' "
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
TIMEOUT_S = 10.0
#: All clients, so that a test that fails leaves no connection behind.
CONNECTED: WeakSet[RawClient] = WeakSet()


class ClosedError(Exception):
    """The server has closed the connection; the stanzas that came before were read."""


class RawClient:
    """One connection. `read` gives first-level elements as trees, in the order of their arrival."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        CONNECTED.add(self)
        self.loop = asyncio.get_running_loop()
        self._reader = reader
        self.writer = writer
        self._parser = _parser()
        self._depth = 0
        self._root: ET.Element | None = None
        self._ready: deque[ET.Element] = deque()
        #: True once the server has closed its stream.
        self.footer = False
        self.jid = ""
        #: What begins a stream.
        self.header = HEADER
        #: Stanzas read since stream management was enabled (XEP-0198 §4).
        self.handled = 0

    @classmethod
    async def connect(cls, address: Address, *, tls: bool = False, source: str = "") -> RawClient:
        """Open a connection, from an address of this machine if one is named, and send nothing."""
        context = trusting() if tls else None
        local = (source, 0) if source else None
        reader, writer = await asyncio.open_connection(*address, ssl=context, limit=1 << 22, local_addr=local)
        return cls(reader, writer)

    @classmethod
    async def login(cls, address: Address, user: str, resource: str = "raw", password: str = PASSWORD) -> RawClient:
        """Authenticate with PLAIN on the door for direct TLS, and bind."""
        client = await cls.authenticated(address, user, password)
        await client.bind(resource)
        return client

    @classmethod
    async def authenticated(cls, address: Address, user: str, password: str = PASSWORD) -> RawClient:
        """Authenticate with PLAIN on the door for direct TLS, and read the features that come then."""
        client = await cls.connect(address, tls=True)
        await client.authenticate(user, password)
        return client

    async def sign_in(self, user: str, password: str = PASSWORD, resource: str = "raw") -> None:
        """Authenticate and bind on a connection that is encrypted."""
        await self.authenticate(user, password)
        await self.bind(resource)

    async def authenticate(self, user: str, password: str = PASSWORD) -> None:
        """Authenticate with PLAIN on a connection that is encrypted."""
        await self.open()
        initial = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='PLAIN'>{initial}</auth>")
        answer = await self.read()
        assert answer.tag == SASL + "success", ET.tostring(answer)
        await self.open()

    async def open(self) -> ET.Element:
        """Send a stream header; return the features."""
        self.restart()
        self.send(self.header)
        return await self.until(lambda element: element.tag == STREAM + "features")

    async def bind(self, resource: str) -> None:
        """Bind a resource; `jid` tells which it has become."""
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
        answer = await self.iq(f"<iq type='set' id='bind'>{bind}</iq>")
        self.jid = "".join(answer.itertext())

    async def starttls(self) -> None:
        """Change to TLS (RFC 6120 §5)."""
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        answer = await self.read()
        assert answer.tag.endswith("proceed")
        await self.writer.start_tls(trusting(), server_hostname=DOMAIN)

    def restart(self) -> None:
        """Expect a new stream header."""
        self._parser = _parser()
        self._depth = 0

    def send(self, data: str | bytes) -> None:
        """Send as it is."""
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def read(self, timeout_s: float = TIMEOUT_S) -> ET.Element:
        """Return the next first-level element.

        Raises:
            ClosedError: There is none, and never will be.
            TimeoutError: There is none yet.

        """
        async with asyncio.timeout(timeout_s):
            while not self._ready:
                try:
                    data = await self._reader.read(1 << 16)
                except (ConnectionError, OSError) as error:
                    raise ClosedError(str(error)) from None
                if not data:
                    raise ClosedError
                self._feed(data)
        element = self._ready.popleft()
        if element.tag in STANZAS:
            self.handled += 1
        elif element.tag == SM + "enabled":
            self.handled = 0
        return element

    async def until(self, wanted: Callable[[ET.Element], bool], timeout_s: float = TIMEOUT_S) -> ET.Element:
        """Return the next element that is wanted; what comes before it is dropped."""
        async with asyncio.timeout(timeout_s):
            while True:
                element = await self.read(timeout_s)
                if wanted(element):
                    return element

    async def rest(self, timeout_s: float = TIMEOUT_S) -> list[ET.Element]:
        """Return all that comes until the server closes the connection."""
        elements = []
        with contextlib.suppress(ClosedError):
            async with asyncio.timeout(timeout_s):
                while True:
                    elements.append(await self.read(timeout_s))
        return elements

    async def iq(self, text: str, timeout_s: float = TIMEOUT_S) -> ET.Element:
        """Send a request and return its answer; what comes before it is dropped."""
        id_ = ET.fromstring(text).attrib["id"]
        self.send(text)
        return await self.until(
            lambda element: (
                element.tag.endswith("}iq") and element.get("id") == id_ and element.get("type") in ("result", "error")
            ),
            timeout_s,
        )

    async def ping(self, timeout_s: float = TIMEOUT_S) -> float:
        """Ask the server for a pong; return how long it took in seconds."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        answer = await self.iq("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>", timeout_s)
        assert answer.get("type") == "result"
        return loop.time() - start

    async def enable(self, *, resume: bool = False) -> ET.Element:
        """Switch stream management on (XEP-0198 §3)."""
        self.send(f"<enable xmlns='{SM[1:-1]}'{' resume=' + repr('true') if resume else ''}/>")
        return await self.until(lambda element: element.tag in (SM + "enabled", SM + "failed"))

    async def resume(self, previd: str) -> ET.Element:
        """Ask for a session to be taken up again (XEP-0198 §5); the answer is `<resumed/>` or `<failed/>`."""
        self.send(f"<resume xmlns='{SM[1:-1]}' previd='{previd}' h='{self.handled}'/>")
        return await self.until(lambda element: element.tag in (SM + "resumed", SM + "failed"))

    def request(self) -> None:
        """Ask for an acknowledgement."""
        self.send(f"<r xmlns='{SM[1:-1]}'/>")

    def acknowledge(self) -> None:
        """Acknowledge what was read."""
        self.send(f"<a xmlns='{SM[1:-1]}' h='{self.handled}'/>")

    def abort(self) -> None:
        """Drop the connection as a broken network does: with a reset, where TLS was with no close_notify."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close the stream and the connection, and wait for the server to do so."""
        with contextlib.suppress(ConnectionError, OSError):
            self.send("</stream:stream>")
            await self.rest(5.0)
        self.abort()

    async def __aenter__(self) -> RawClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abort()

    def _feed(self, data: bytes) -> None:
        self._parser.feed(data)
        for event, element in self._parser.read_events():  # type: ignore[misc]  # typeshed has other events in mind
            assert isinstance(element, ET.Element)
            if event == "start":
                if self._depth == 0:
                    self._root = element
                self._depth += 1
                continue
            self._depth -= 1
            if self._depth == 1:
                self._ready.append(element)
                if self._root is not None:
                    self._root.remove(element)
            elif self._depth == 0:
                self.footer = True


def _parser() -> ET.XMLPullParser[ET.Element]:
    return ET.XMLPullParser(("start", "end"))


@contextlib.asynccontextmanager
async def logged_in(address: Address, user: str, resource: str = "raw") -> AsyncIterator[RawClient]:
    """A client that is logged in, and gone at the end."""
    async with await RawClient.login(address, user, resource) as client:
        yield client


async def abort_all() -> None:
    """Drop the connections of all clients of this loop."""
    loop = asyncio.get_running_loop()
    for client in [one for one in CONNECTED if one.loop is loop]:
        client.abort()
        CONNECTED.discard(client)
    await asyncio.sleep(0.01)  # transports close in a later turn of the loop


def condition(elements: list[ET.Element]) -> str:
    """Return the condition of the stream error among the elements, or empty."""
    for element in elements:
        if element.tag == STREAM + "error":
            return element[0].tag.partition("}")[2]
    return ""
