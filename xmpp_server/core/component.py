"""External components (XEP-0114) as routes: connections that share the load, and a queue while there is none.

A component serves some domains over any number of connections. Each connection has named one domain, or more
(XEP-0225); it also gets what is for a domain of the component that no connection has named. Where several could take a
stanza, its sender decides, so that what one sender says stays in order; the answer to a request goes back to the
connection that has asked.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import structlog

from xmpp_server.core.component_limits import ComponentLimits
from xmpp_server.core.component_line import Line, Link
from xmpp_server.core.grants import Grants
from xmpp_server.core.hooks import Notify, Wait
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.stanzas.error import error_element
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.router import Router
    from xmpp_server.core.runtime import Runtime

log = structlog.get_logger()

_REQUESTS = frozenset({"get", "set"})
_ANSWERS = frozenset({"result", "error"})
_TICK_S = 1.0
#: How many requests of a component are remembered, to bring the answers to the connection that asked.
_ASKED = 10_000

#: One sender, or all of another server, have at most such a part of the requests that may be open, or so many.
SHARES = 4
LEAST_SHARE = 10

#: Who asked whom with which id.
Request: TypeAlias = tuple[JID, JID, str]


class _Open(NamedTuple):
    """A request that the component has in hands."""

    #: The connection that it got it on.
    line: Line
    #: Until when it may answer.
    deadline: float
    #: Whom it counts for, or empty.
    share: str


class Component:
    """One external component, connected or not (`router.Route`)."""

    def __init__(
        self,
        domains: Iterable[str],
        router: Router,
        runtime: Runtime,
        limits: ComponentLimits | None = None,
        grants: Grants | None = None,
    ) -> None:
        self.domains = tuple(JID.parse(domain) for domain in domains)
        #: The first domain: what the component is called, and where the server addresses it.
        self.jid = self.domains[0]
        self.router = router
        self.limits = limits or ComponentLimits()
        self.grants = grants or Grants()
        self.lines: list[Line] = []
        self.sent = 0
        self.received = 0
        self._runtime = runtime
        #: The domains as texts.
        self.names = frozenset(domain.domainpart for domain in self.domains)
        self._serial = 0
        #: Until when it is expected to connect: stanzas wait for it.
        self._expected_until = 0.0
        self._queue: deque[Stanza] = deque()
        self._queued_bytes = 0
        #: Requests that the component has in hands.
        self._open: dict[Request, _Open] = {}
        #: How many of them are of each sender, or other server.
        self._shares: Counter[str] = Counter()
        #: Requests of the component, while it has several connections.
        self._asked: OrderedDict[Request, Line] = OrderedDict()
        self._ticking = False

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection."""
        return bool(self.lines)

    @property
    def is_expected(self) -> bool:
        """Whether it is connected, or stanzas wait for it to come back."""
        return bool(self.lines) or self._runtime.now() < self._expected_until

    @property
    def queued(self) -> int:
        """How many stanzas wait for it."""
        return len(self._queue)

    @property
    def open_requests(self) -> int:
        """How many requests it has not answered yet."""
        return len(self._open)

    def expect(self) -> None:
        """Let stanzas wait for `away_s`: the component was started, or has lost its last connection."""
        self._expected_until = self._runtime.now() + self.limits.away_s

    def route(self, stanza: Stanza) -> Wait:
        """Give the component a stanza for one of its domains, now or later.

        Raises:
            StanzaError: It is away for long, or hangs, or too much waits for it already.

        """
        line = self._choose(stanza)
        if line is None:
            self._enqueue(stanza)
        else:
            self._give(line, stanza)
        return None

    # Connections.

    def attach(self, domain: str, link: Link) -> Line:
        """Take a connection that has authenticated for one of the domains; the queue goes out on it.

        Raises:
            StreamError: There are too many.

        """
        if len(self.lines) >= self.limits.connections:
            raise StreamError(StreamCondition.CONFLICT, "This component has too many connections")
        self._serial += 1
        line = Line(self, JID.parse(domain), link, self._serial)
        self.lines.append(line)
        self.router.components.connected.fire(line)
        queue, self._queue, self._queued_bytes = self._queue, deque(), 0
        for stanza in queue:
            self._release(stanza)
            self._deliver_late(stanza)
        return line

    def detach(self, line: Line) -> None:
        """Forget a connection: what it was asked and has not answered will not be answered."""
        if line not in self.lines:
            return
        self.lines.remove(line)
        self._asked = OrderedDict((request, by) for request, by in self._asked.items() if by is not line)
        if not self.lines:
            self.expect()
        for request in [request for request, open_ in self._open.items() if open_.line is line]:
            self._close(request)
            self._answer_for(request)

    # What the component sends.

    def addresses(self, stanza: Stanza) -> tuple[JID, JID | None]:
        """Return from whom and for whom a stanza of the component is; None where the latter is no JID.

        Raises:
            StreamError: XEP-0114 §3: both must be there, and `from` of the component's.

        """
        claimed, address = stanza.attrs.get("from"), stanza.attrs.get("to")
        if claimed is None or address is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "Stanzas of components have from and to")
        try:
            sender = JID.parse(claimed)
        except JIDMalformed:
            raise StreamError(StreamCondition.INVALID_FROM) from None
        if sender.domainpart not in self.names:
            raise StreamError(StreamCondition.INVALID_FROM, "This is not a domain of the component's")
        try:
            return sender, JID.parse(address)
        except JIDMalformed:
            return sender, None

    def note(self, line: Line, iq: Stanza, sender: JID, to: JID) -> bool:
        """Take note of a request or answer of the component's; tell whether to pass it on: a second answer is not."""
        if iq.type in _REQUESTS:
            if len(self.lines) > 1:
                self._asked[sender, to, iq.id or ""] = line
                if len(self._asked) > _ASKED:
                    self._asked.popitem(last=False)
            return True
        if iq.type not in _ANSWERS or self._close((to, sender, iq.id or "")):
            return True
        log.debug("stray-answer", component=str(self.jid), to=to)
        return False

    # What the component gets.

    def _choose(self, stanza: Stanza) -> Line | None:
        lines = self.lines
        if len(lines) < 2:
            return lines[0] if lines else None
        to, sender = stanza.to, stanza.sender
        assert to is not None  # noqa: S101 - stamped
        assert sender is not None  # noqa: S101 - stamped
        if self._asked and stanza.name == "iq" and stanza.type in _ANSWERS:
            asked = self._asked.pop((to, sender, stanza.id or ""), None)
            if asked is not None:
                return asked
        named = [line for line in lines if to.domainpart in line.domains] or lines
        # Of several the one that this sender draws: when one comes or goes, few senders change.
        return max(named, key=lambda line: hash((sender.bare, line.serial)))

    def _give(self, line: Line, stanza: Stanza) -> None:
        if line.link.buffered > self.limits.outbox_bytes:
            self._refuse_for(line)
        line.refusing_since = None
        if stanza.name == "iq" and stanza.type in _REQUESTS:
            self._note_open(line, stanza)
        line.send(stanza)

    def _note_open(self, line: Line, stanza: Stanza) -> None:
        if not stanza.id:
            raise StanzaError(Condition.BAD_REQUEST, "An IQ needs an id")
        assert stanza.to is not None  # noqa: S101 - stamped
        assert stanza.sender is not None  # noqa: S101 - stamped
        request = (stanza.sender, stanza.to, stanza.id)
        self._close(request)  # the order is by time
        most = self.limits.open_requests
        share = self._share(stanza.sender)
        if len(self._open) >= most or (share and self._shares[share] >= max(LEAST_SHARE, most // SHARES)):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too many requests are open")
        self._open[request] = _Open(line, self._runtime.now() + self.limits.answer_s, share)
        if share:
            self._shares[share] += 1
        self._tick_on()

    def _share(self, sender: JID) -> str:
        """Return whom a request counts for: an account, or another server; a host of ours asks for all its accounts."""
        if sender.domainpart not in self.router.routes:
            return sender.domainpart
        return sender.bare if sender.localpart is not None else ""

    def _close(self, request: Request) -> bool:
        """Forget a request that is answered; false if it was not open."""
        open_ = self._open.pop(request, None)
        if open_ is None:
            return False
        if open_.share:
            self._shares[open_.share] -= 1
            if not self._shares[open_.share]:
                del self._shares[open_.share]
        return True

    def _refuse_for(self, line: Line) -> None:
        """The component does not read: its senders hear of it, and in the end it is cut off."""
        now = self._runtime.now()
        if line.refusing_since is None:
            line.refusing_since = now
            log.warning("component-stalled", component=str(self.jid), buffered=line.link.buffered)
        elif now - line.refusing_since > self.limits.stalled_s:
            self._runtime.soon(lambda: line.link.close(StreamError(StreamCondition.RESOURCE_CONSTRAINT)))
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The component does not keep up")

    # While it is away.

    def _enqueue(self, stanza: Stanza) -> None:
        if not self.is_expected:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        self._queued_bytes += len(stanza.wire)
        if len(self._queue) >= self.limits.queued_stanzas or self._queued_bytes > self.limits.queued_bytes:
            self._queued_bytes -= len(stanza.wire)
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too much waits for the component")
        self._queue.append(stanza)
        if stanza.receipt is not None:
            stanza.receipt.hold()
        self._tick_on()

    @staticmethod
    def _release(stanza: Stanza) -> None:
        if stanza.receipt is not None:
            stanza.receipt.release()

    def _deliver_late(self, stanza: Stanza) -> None:
        try:
            self.route(stanza)
        except StanzaError as error:
            self._finish(stanza, self.router.reject(stanza, error))

    def _expire_queue(self) -> None:
        queue, self._queue, self._queued_bytes = self._queue, deque(), 0
        if queue:
            log.warning("component-away", component=str(self.jid), stanzas=len(queue))
        for stanza in queue:
            self._release(stanza)
            self._finish(stanza, self.router.reject(stanza, StanzaError(Condition.REMOTE_SERVER_TIMEOUT)))

    def _answer_for(self, request: Request) -> None:
        """Answer a request that the component will not answer."""
        sender, to, ident = request
        reply = Element("iq", CLIENT, {"type": IqType.ERROR.value, "id": ident})
        reply.append(error_element(StanzaError(Condition.REMOTE_SERVER_TIMEOUT), CLIENT))
        stanza = Stanza.build(reply, to, sender)
        self._finish(stanza, self.router.route(stanza))

    def _finish(self, stanza: Stanza, wait: Wait) -> None:
        if wait is not None:
            self._runtime.spawn(self.router.guard(stanza, wait), "component")

    # Time.

    def _tick_on(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._runtime.schedule(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        now = self._runtime.now()
        late = []
        for request, open_ in self._open.items():
            if open_.deadline > now:
                break
            late.append(request)
        if late:
            log.warning("component-silent", component=str(self.jid), requests=len(late))
        for request in late:
            if self._close(request):
                self._answer_for(request)
        if not self.is_expected:
            self._expire_queue()
        if self._open or self._queue:
            self._tick_on()


class Components:
    """All external components of this process."""

    def __init__(self) -> None:
        self.all: list[Component] = []
        #: A connection of a component is there; nothing was sent on it but the answer to its handshake.
        self.connected: Notify[Line] = Notify()
        self._by_domain: dict[str, Component] = {}

    def add(self, component: Component) -> None:
        """Let a component have its domains."""
        self.all.append(component)
        for domain in component.domains:
            self._by_domain[domain.domainpart] = component
            component.router.routes[domain.domainpart] = component

    def find(self, domain: str) -> Component | None:
        """Return the component of a prepared domainpart."""
        return self._by_domain.get(domain)
