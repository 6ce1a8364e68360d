"""A world for tests: hosts with everything in memory, a clock that tests turn, clients that speak XML.

    world = World("example.org", modules=(Roster, Presence))
    romeo = world.login("romeo@example.org/home")
    romeo.says("<presence/>")
    assert [element.name for element in romeo.hears()] == ["presence"]

Nothing happens behind a test's back: after each action all that can run has run. Coroutines are driven by hand, without
an event loop; only a test that holds writes back (`world.storage.hold()`) has to be `async`, as such a write is waited
for with a future.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from tests.virtual_runtime import VirtualRuntime
from xmpp_server.core.accounts import Account
from xmpp_server.core.administrators import Administrators
from xmpp_server.core.host import Host, Limits
from xmpp_server.core.module import Module
from xmpp_server.core.router import Router
from xmpp_server.core.session import Session
from xmpp_server.errors import StreamError
from xmpp_server.jid import JID
from xmpp_server.storage.api import AccountRecord, RosterItem
from xmpp_server.storage.memory import MemoryStorage
from xmpp_server.xml.element import Element
from xmpp_server.xml.scanner import ScanLimits, Scanner, StreamHeader
from xmpp_server.xml.stanza import Stanza

M = TypeVar("M", bound=Module)
T = TypeVar("T")

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"


class Hearing:
    """Reads what the server writes, with the server's own scanner: it must be a proper stream."""

    def __init__(self) -> None:
        self._scanner = _stream_scanner()

    def read(self, data: bytes) -> list[Stanza]:
        events = self._scanner.feed(data)
        assert all(isinstance(event, Stanza) for event in events), (data, events)
        return [event for event in events if isinstance(event, Stanza)]


def _stream_scanner() -> Scanner:
    scanner = Scanner(ScanLimits())
    events = scanner.feed(HEADER)
    assert len(events) == 1
    assert isinstance(events[0], StreamHeader)
    scanner.step = False
    return scanner


class RecordingTransport:
    """`core.session.Transport` that keeps what is written."""

    secure = True
    peer = "192.0.2.1:40000"

    def __init__(self) -> None:
        self.written = bytearray()
        self.buffered = 0
        #: Whether what is written counts as `buffered`: a client that does not read.
        self.counts = False
        self.closed = False
        self.error: StreamError | None = None

    def write(self, data: bytes) -> None:
        assert not self.closed, data
        self.written += data
        if self.counts:
            self.buffered += len(data)

    def close(self, error: StreamError | None) -> None:
        self.closed = True
        self.error = error

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data = bytes(self.written)
        self.written.clear()
        return data


class Client:
    """A session and the client at its other end."""

    def __init__(self, world: World, session: Session, transport: RecordingTransport) -> None:
        self.world = world
        self.session = session
        self.jid = session.jid
        self.transport = transport
        self._hearing = Hearing()
        self._scanner = _stream_scanner()
        self._inbox: deque[Stanza] = deque()
        self._suspended = False

    @property
    def account(self) -> Account:
        return self.session.account

    @property
    def error(self) -> StreamError | None:
        """Why the server closed the stream."""
        return self.transport.error

    def says(self, *xml: str) -> None:
        """Send stanzas, each awaited before the next is given to the session."""
        for text in xml:
            for chunk in self.world.chunks(text.encode()):
                events = self._scanner.feed(chunk)
                assert all(isinstance(event, Stanza) for event in events), (xml, events)
                self._inbox.extend(event for event in events if isinstance(event, Stanza))
        assert not self._scanner.pending, xml
        self._pump()
        self.world.settle()

    def _pump(self) -> None:
        while self._inbox and not self._suspended and not self.session.closed:
            try:
                wait = self.session.receive(self._inbox.popleft())
            except StreamError as error:
                self.session.end(error)
                return
            if wait is not None:
                self._suspended = True
                self.world.runtime.start(_await(wait), self._resume)

    def _resume(self) -> None:
        self._suspended = False
        self._pump()

    def hears(self) -> list[Element]:
        """What came since the last call, parsed."""
        return [stanza.element for stanza in self.hears_stanzas()]

    def hears_stanzas(self) -> list[Stanza]:
        """`hears` as stanzas, whose `raw` are the very bytes."""
        return self._hearing.read(self.transport.take())

    def asks(self, kind: str, payload: str, to: str | None = None) -> Element:
        """Send an IQ and return its answer, which must be the only thing that comes."""
        address = f" to='{to}'" if to else ""
        self.says(f"<iq type='{kind}' id='q'{address}>{payload}</iq>")
        [answer] = [element for element in self.hears() if (element.name, element.get("id")) == ("iq", "q")]
        return answer

    def leaves(self) -> None:
        """Close the stream in good order."""
        self.session.end()
        self.world.settle()

    def drops(self) -> None:
        """Lose the connection."""
        self.session.connection_lost()
        self.world.settle()

    def resumes(self) -> None:
        """Come back on a new connection, as XEP-0198 §5 has it; what was not acknowledged is sent again."""
        self.transport = RecordingTransport()
        self._hearing = Hearing()
        self._scanner = _stream_scanner()
        self.session.attach(self.transport, None)
        self.session.resend()
        self.world.settle()


class Remote:
    """A domain that somebody else serves."""

    def __init__(self, world: World, domain: str) -> None:
        self.world = world
        self.domain = domain
        self._heard: list[Stanza] = []
        self._scanner = _stream_scanner()

    def route(self, stanza: Stanza) -> None:
        [read] = Hearing().read(stanza.wire)
        assert (read.attrs.get("from"), read.attrs.get("to")) == (stanza.sender, stanza.to), stanza.wire
        self._heard.append(read)

    def says(self, *xml: str) -> None:
        """Send stanzas that carry `from` and `to`."""
        for text in xml:
            for event in self._scanner.feed(text.encode()):
                assert isinstance(event, Stanza), event
                sender, to = JID.parse(event.attrs["from"]), JID.parse(event.attrs["to"])
                event.stamp(sender, to, b" from='%s'" % sender.encoded)
                self.world.route(event)

    def hears(self) -> list[Element]:
        """What was sent there since the last call."""
        heard, self._heard = self._heard, []
        return [stanza.element for stanza in heard]


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


class World:
    """Some hosts with their modules, one store, one clock."""

    def __init__(
        self,
        *domains: str,
        modules: Sequence[Callable[[], Module]] = (),
        limits: Limits | None = None,
        admins: Sequence[str] = (),
    ) -> None:
        self.runtime = VirtualRuntime()
        self.storage = MemoryStorage()
        self.router = Router()
        self.administrators = Administrators(admins)
        #: How many bytes a client's stanzas are cut into, or 0 to leave them whole.
        self.chunk_bytes = 0
        self.hosts = {
            domain: Host(
                domain,
                self.router,
                self.storage,
                self.runtime,
                limits or Limits(),
                self.administrators.jids,
            )
            for domain in domains or ("example.org",)
        }
        self.run(self.administrators.load(self.hosts.values()))
        for host in self.hosts.values():
            for make in modules:
                host.add_module(make())
        self.clients: dict[str, Client] = {}
        self.remotes: dict[str, Remote] = {}

    @property
    def host(self) -> Host:
        """The first host."""
        return next(iter(self.hosts.values()))

    def module(self, kind: type[M]) -> M:
        """The instance of a module on the first host."""
        return self.host.module(kind)

    def create(self, *jids: str) -> None:
        """Create accounts, unless they exist."""
        for jid in jids:
            self.storage.accounts.create(AccountRecord(JID.parse(jid), True, self.runtime.utcnow(), {}))

    def contact(self, owner: str, contact: str, subscription: str = "none", **rest: object) -> None:
        """Write a roster item of an account, created if need be; not for an account that is in memory already."""
        self.create(owner)
        jid = JID.parse(owner)
        host = self.hosts[jid.domainpart]
        assert jid.localpart is not None
        assert host.accounts.get(jid.localpart) is None
        item = RosterItem(JID.parse(contact), subscription=subscription, **rest)  # type: ignore[arg-type]
        self.storage.rosters.put(jid, item)

    def befriend(self, one: str, *others: str) -> None:
        """Subscribe accounts to each other's presence; domains that are not ours keep their own rosters."""
        for other in others:
            for owner, contact in ((one, other), (other, one)):
                if JID.parse(owner).domainpart in self.hosts:
                    self.contact(owner, contact, "both")

    def login(self, jid: str, lang: str | None = None) -> Client:
        """Bind a full JID, of an account that is created if need be."""
        full = JID.parse(jid)
        self.create(full.bare)
        transport = RecordingTransport()
        registry = self.hosts[full.domainpart].sessions
        session = self.run(registry.bind(full.bare, full.resourcepart, transport, lang))
        client = Client(self, session, transport)
        self.clients[session.jid] = client
        self.settle()
        return client

    def online(self, jid: str, presence: str = "<presence/>") -> Client:
        """`login`, ask for the roster, become available; all that came meanwhile is forgotten."""
        client = self.login(jid)
        client.says("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>", presence)
        client.hears()
        return client

    def remote(self, domain: str) -> Remote:
        """A domain elsewhere, on which every stanza for it arrives."""
        if domain not in self.remotes:
            self.remotes[domain] = Remote(self, domain)
            self.router.routes[domain] = self.remotes[domain]
        return self.remotes[domain]

    def route(self, stanza: Stanza) -> None:
        """Route a stamped stanza as a federated server's stream does."""
        wait = self.router.route(stanza)
        if wait is not None:
            self.runtime.start(self.router.guard(stanza, wait), lambda: None)
        self.settle()

    def run(self, awaitable: Awaitable[T]) -> T:
        """Await something and return its result; it must not wait for a write that is held back."""
        results: list[T] = []

        async def collect() -> None:
            results.append(await awaitable)

        self.runtime.start(collect(), lambda: None)
        self.settle()
        [result] = results
        return result

    def settle(self) -> None:
        """Run until nothing is left that can run."""
        self.runtime.settle()

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.runtime.advance(seconds)

    def release(self, *error: Exception) -> None:
        """Commit the writes that were held back (or fail them), and run what waited for them."""
        self.storage.release(*error)  # type: ignore[arg-type]
        self.settle()

    def chunks(self, data: bytes) -> Generator[bytes, None, None]:
        """Cut what a client sends as `chunk_bytes` says."""
        size = self.chunk_bytes or len(data)
        for at in range(0, len(data), size):
            yield data[at : at + size]
