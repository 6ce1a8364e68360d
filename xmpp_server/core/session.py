"""A client's session: a resource bound to an account, with or without a connection at the moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from xmpp_server.core.hooks import SessionEnd, Wait
from xmpp_server.core.management import StreamManagement
from xmpp_server.core.receipts import Receipt
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.host import Host
    from xmpp_server.core.runtime import Timer

log = structlog.get_logger()


class Transport(Protocol):
    """The connection of a session, as far as the session knows."""

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to read."""
        ...

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        ...

    @property
    def peer(self) -> str:
        """The client's address, for operators."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes; they leave at the end of the loop's turn."""
        ...

    def close(self, error: StreamError | None) -> None:
        """Close the stream, with an error if there is one, and the connection."""
        ...


#: Decides whether to hold a stanza back (XEP-0352); true means that it is held.
Gate = Callable[[Stanza, bytes, "str | None"], bool]


class Session:
    """A bound resource. `receive` takes the client's stanzas, `send` gives it others'."""

    __slots__ = (
        "_lang",
        "_prefix",
        "_prefix_lang",
        "account",
        "available_since",
        "bound_at",
        "closed",
        "gates",
        "hibernation",
        "host",
        "jid",
        "last_received",
        "presence",
        "priority",
        "sm",
        "state",
        "transport",
    )

    def __init__(self, host: Host, account: Account, jid: JID, transport: Transport | None, lang: str | None) -> None:
        self.host = host
        self.account = account
        self.jid = jid
        self.transport = transport
        #: The last broadcast presence, or None while unavailable; set by `set_presence`.
        self.presence: Stanza | None = None
        self.priority = 0
        #: When it became available with a non-negative priority (monotonic seconds), if it is.
        self.available_since: float | None = None
        self.sm: StreamManagement | None = None
        #: Asked in turn by `send`.
        self.gates: tuple[Gate, ...] = ()
        self.closed = False
        #: The timer that ends a session whose client does not come back.
        self.hibernation: Timer | None = None
        self.bound_at = host.utcnow()
        #: When the client last sent anything (monotonic seconds).
        self.last_received = host.now()
        self.state: dict[object, object] = {}
        self.set_lang(lang)

    def set_lang(self, lang: str | None) -> None:
        """Prepare what is written into the start tag of each stanza: `from`, and the stream's language (§4.7.4)."""
        self._lang = lang
        self._prefix = b" from='%s'" % self.jid.encoded
        self._prefix_lang = self._prefix
        if lang:
            self._prefix_lang += b" xml:lang='%s'" % escape_attr(lang).encode()

    def receive(self, stanza: Stanza) -> Wait:
        """Take one first-level element from the client; an awaitable result suspends the stream until it is done.

        Raises:
            StreamError: The element breaks the stream's rules.

        """
        if stanza.ns != CLIENT:
            return self.host.nonza(self, stanza)
        attrs = stanza.attrs
        if "from" in attrs:
            self._check_from(attrs["from"])
        address = attrs.get("to")
        to: JID | None = None
        malformed = False
        if address is not None:
            try:
                to = JID.parse(address)
            except JIDMalformed:
                malformed = True
        if "xml:lang" in attrs:
            stanza.stamp(self.jid, to, self._prefix)
        else:
            stanza.stamp(self.jid, to, self._prefix_lang, self._lang)
        sm = self.sm
        if sm is None:
            return self.host.outbound(self, stanza, malformed)
        receipt = sm.ledger.receive()
        stanza.receipt = receipt
        wait = self.host.outbound(self, stanza, malformed)
        if wait is None:
            return None
        receipt.hold()
        return self._release_after(wait, receipt)

    @staticmethod
    async def _release_after(wait: Awaitable[None], receipt: Receipt) -> None:
        try:
            await wait
        finally:
            receipt.release()

    def _check_from(self, claimed: str) -> None:
        """Accept one's own full or bare JID (RFC 6120 §8.1.2.1)."""
        try:
            jid = JID.parse(claimed)
        except JIDMalformed:
            raise StreamError(StreamCondition.INVALID_FROM) from None
        if jid not in (self.jid, self.jid.bare):
            raise StreamError(StreamCondition.INVALID_FROM)

    def send(self, stanza: Stanza, wire: bytes, stored_id: str | None = None) -> None:
        """Give the client a stanza, of which `wire` are the bytes; never waits, never raises.

        `stored_id` names the row of offline storage which this delivery makes superfluous.
        """
        for gate in self.gates:
            if gate(stanza, wire, stored_id):
                return
        self.transmit(stanza, wire, stored_id)

    def transmit(self, stanza: Stanza, wire: bytes, stored_id: str | None = None) -> None:
        """`send` past the gates."""
        transport = self.transport
        sm = self.sm
        if sm is not None:
            item = sm.sent(stanza, wire, stored_id, self.host.now())
            if transport is None:
                self.host.keeper.keep(self.account, item)
            else:
                sm.pump(transport)
            limits = self.host.limits
            if len(sm.queue) > limits.unacknowledged_stanzas or sm.queued_bytes > limits.unacknowledged_bytes:
                self.host.soon(self._overflow)
        elif transport is not None:
            transport.write(wire)
            if stored_id is not None:
                self.host.keeper.delivered(self.account, [stored_id])

    def send_element(self, stanza: Stanza) -> None:
        """Give the client a stanza made by the server."""
        self.send(stanza, stanza.wire)

    def _overflow(self) -> None:
        """Give up on a client that takes and acknowledges nothing; what it has not acknowledged is kept."""
        if not self.closed:
            log.info("too-many-unacknowledged", session=str(self.jid))
            self.end(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "Too many unacknowledged stanzas"))

    def acknowledge(self, h: int) -> None:
        """Take the client's `<a h/>`.

        Raises:
            StreamError: `h` exceeds what was sent.

        """
        if self.sm is None:
            return
        done = [item.stored_id for item in self.sm.acknowledge(h) if item.stored_id is not None]
        if self.transport is not None:
            self.sm.pump(self.transport)
        if done:
            self.host.keeper.delivered(self.account, done)

    def set_presence(self, presence: Stanza | None, priority: int = 0) -> None:
        """Note the session's own broadcast presence (None: unavailable) and keep the account's list of it."""
        self.presence = presence
        self.priority = priority
        if presence is None or priority < 0:
            self.available_since = None
        elif self.available_since is None:
            self.available_since = self.host.now()
        self.account.refresh()

    def connection_lost(self) -> None:
        """The connection broke without an orderly close: hibernate if the client may resume, end otherwise."""
        if self.closed:
            return
        self.transport = None
        sm = self.sm
        if sm is None or not sm.resumable:
            self.end()
            return
        sm.requested_at = None
        self.host.sessions.hibernate(self, sm.timeout_s)
        if self.closed:  # too many wait already
            return
        for item in sm.queue:
            self.host.keeper.keep(self.account, item)
        self.host.hooks.session_hibernated.fire(self)

    def suspend(self) -> None:
        """Let go of the connection without a word, because the server stops; what is unacknowledged is kept."""
        self.transport = None
        if self.sm is not None:
            self.sm.requested_at = None
            for item in self.sm.queue:
                self.host.keeper.keep(self.account, item)

    def attach(self, transport: Transport, lang: str | None) -> None:
        """Continue on a new connection (XEP-0198 §5); the old one, if it is still there, is closed."""
        old, self.transport = self.transport, transport
        self.host.sessions.awake(self)
        if old is not None:
            old.close(StreamError(StreamCondition.CONFLICT, "Resumed by another connection"))
        self.set_lang(lang)
        self.last_received = self.host.now()

    def resend(self) -> None:
        """Send again what the client has not acknowledged."""
        sm, transport = self.sm, self.transport
        if sm is None or transport is None:
            return
        sm.begin_again()
        sm.pump(transport)
        sm.request()
        self.host.hooks.session_resumed.fire(self)

    def end(self, error: StreamError | None = None, text: str = "") -> None:
        """End the session for good: contacts are told, and what the client did not acknowledge is taken care of."""
        if self.closed:
            return
        self.closed = True
        transport, self.transport = self.transport, None
        self.host.sessions.unbind(self)
        self.host.hooks.session_ended.fire(SessionEnd(self, text))
        if self.sm is not None:
            items = self.sm.queue.clear()
            self.sm = None  # they refer to each other
            if items:
                self.host.keeper.unacknowledged(self, items)
        if transport is not None:
            transport.close(error)
        if not self.account.sessions:
            self.host.accounts.release(self.account)
