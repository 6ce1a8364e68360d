"""Every hook of a host: who fires it, when, and with what.

Three kinds. A `Filter` is a chain: the first handler that returns a true value has consumed the event, and an
awaitable is such a value; it says "consumed, but wait for me before you take the sender's next stanza". A `Notify`
tells everybody; a handler that fails is logged and stops nobody. A `Collect` gathers contributions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import structlog

from xmpp_server.core.order import Order

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.iq import IqRequest
    from xmpp_server.core.session import Session
    from xmpp_server.jid import JID
    from xmpp_server.xml.element import Element
    from xmpp_server.xml.stanza import Stanza

E = TypeVar("E")
Wait: TypeAlias = Awaitable[None] | None
Verdict: TypeAlias = bool | Awaitable[None] | None

log = structlog.get_logger()


class Filter(Generic[E]):
    """A chain of handlers by `Order`; the first true verdict ends it."""

    __slots__ = ("_entries", "handlers")

    def __init__(self) -> None:
        self._entries: list[tuple[Order, Callable[[E], Verdict]]] = []
        self.handlers: tuple[Callable[[E], Verdict], ...] = ()

    def add(self, handler: Callable[[E], Verdict], order: Order) -> None:
        """Add a handler; those of one order run as they were added."""
        self._entries.append((order, handler))
        self._entries.sort(key=lambda entry: entry[0])
        self.handlers = tuple(handler for _, handler in self._entries)

    def run(self, event: E) -> Verdict:
        """Pass the event along; raises what a handler raises."""
        for handler in self.handlers:
            verdict = handler(event)
            if verdict:
                return verdict
        return False


class Notify(Generic[E]):
    """Tells every handler, in the order in which they were added."""

    __slots__ = ("handlers",)

    def __init__(self) -> None:
        self.handlers: list[Callable[[E], None]] = []

    def add(self, handler: Callable[[E], None]) -> None:
        """Add a handler."""
        self.handlers.append(handler)

    def fire(self, event: E) -> None:
        """Call every handler; a failure is logged."""
        for handler in self.handlers:
            try:
                handler(event)
            except Exception:
                log.exception("hook-failed", handler=getattr(handler, "__qualname__", repr(handler)))


class Collect(Generic[E]):
    """Gathers: each handler adds to the event it is given."""

    __slots__ = ("handlers",)

    def __init__(self) -> None:
        self.handlers: list[Callable[[E], None]] = []

    def add(self, handler: Callable[[E], None]) -> None:
        """Add a contributor."""
        self.handlers.append(handler)

    def gather(self, event: E) -> E:
        """Let every handler contribute to `event` and return it."""
        for handler in self.handlers:
            handler(event)
        return event


class Outbound:
    """A stanza that a local session sent, already stamped with its `from`.

    A handler that annotates sets `stanza` to a copy; a received stanza itself never changes.
    """

    __slots__ = ("session", "stanza")

    def __init__(self, stanza: Stanza, session: Session) -> None:
        self.stanza = stanza
        self.session = session


class Inbound:
    """A stanza for a local account, from anybody. `to` is its bare or full JID."""

    __slots__ = ("account", "stanza", "to")

    def __init__(self, stanza: Stanza, account: Account, to: JID) -> None:
        self.stanza = stanza
        self.account = account
        self.to = to


class Disco:
    """An XEP-0030 answer in the making, for `entity` as `requester` may see it.

    `requester` is None where nobody in particular asks, as for the caps of the server.
    """

    __slots__ = ("account", "entity", "features", "forms", "identities", "items", "node", "requester")

    def __init__(self, entity: JID, requester: JID | None, node: str, account: Account | None) -> None:
        self.entity = entity
        self.requester = requester
        self.node = node
        self.account = account
        #: (category, type, name)
        self.identities: list[tuple[str, str, str]] = []
        self.features: set[str] = set()
        self.forms: list[Element] = []
        #: (jid, node, name)
        self.items: list[tuple[str, str, str]] = []


class SessionEnd:
    """A session that is over. `text` is the reason that contacts may see, or empty."""

    __slots__ = ("session", "text")

    def __init__(self, session: Session, text: str) -> None:
        self.session = session
        self.text = text


class SessionState:
    """What modules keep of a session over a planned restart, by module name."""

    __slots__ = ("data", "session")

    def __init__(self, session: Session, data: dict[str, bytes] | None = None) -> None:
        self.session = session
        self.data: dict[str, bytes] = {} if data is None else data


class PresenceChange:
    """A session's own broadcast presence: `old` and `new` are None where it is unavailable."""

    __slots__ = ("new", "old", "session")

    def __init__(self, session: Session, old: Stanza | None, new: Stanza | None) -> None:
        self.session = session
        self.old = old
        self.new = new


class AccountLoaded:
    """An account has come into memory; `documents` are those of the kinds that modules asked for."""

    __slots__ = ("account", "documents")

    def __init__(self, account: Account, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        self.account = account
        self.documents = documents


class Hooks:
    """The hooks of one host; a hook without users is deleted from here."""

    def __init__(self) -> None:
        self.message_out: Filter[Outbound] = Filter()
        """A local session sends a message. Fired by `Host.outbound`; what is left is routed."""
        self.presence_out: Filter[Outbound] = Filter()
        """A local session sends presence. `im.presence` consumes at DELIVER."""
        self.iq_out: Filter[Outbound] = Filter()
        """A local session sends an IQ to somebody else than its server and account."""
        self.message_in: Filter[Inbound] = Filter()
        """A message for a local account. `im.delivery` consumes at DELIVER, `im.offline` at FALLBACK."""
        self.presence_in: Filter[Inbound] = Filter()
        """Presence for a local account, subscriptions and probes included. `im.presence` consumes at DELIVER."""
        self.iq_in: Filter[Inbound] = Filter()
        """An IQ for an account here, from somebody else; what is left for a bare JID goes to its handler. `im.delivery`
        consumes those for a full JID at DELIVER."""
        self.iq_request: Filter[IqRequest] = Filter()
        """A request to the host or to an account, before it goes to its handler. Fired by `Dispatch.request`."""
        self.server_message: Filter[Stanza] = Filter()
        """A message for the host itself, which has no other use for it. Fired by `Host.route`."""
        self.stopping: Notify[None] = Notify()
        """The server stops: nothing comes in any more, what goes out still does. Fired by the application."""
        self.session_bound: Notify[Session] = Notify()
        """A session has its resource; nothing was sent or received on it yet."""
        self.session_resumed: Notify[Session] = Notify()
        """A session has got a new connection (XEP-0198 §5); its queue was sent again."""
        self.session_hibernated: Notify[Session] = Notify()
        """A resumable session has lost its connection; it may come back."""
        self.session_saved: Collect[SessionState] = Collect()
        """A resumable session is written down, because the server stops."""
        self.session_restored: Notify[SessionState] = Notify()
        """A saved session is back after the start; it waits for its client."""
        self.session_ended: Notify[SessionEnd] = Notify()
        """A session is over; it is no longer among its account's sessions."""
        self.presence_changed: Notify[PresenceChange] = Notify()
        """A session's availability or status has changed, after contacts were told."""
        self.account_loaded: Notify[AccountLoaded] = Notify()
        """An account has come into memory, before anybody uses it."""
        self.account_deleted: Notify[JID] = Notify()
        """An account is gone from storage, and its sessions are closed."""
        self.server_disco: Collect[Disco] = Collect()
        """Somebody asks the host itself (its domain)."""
        self.disco_changed: Notify[JID] = Notify()
        """What the host (its domain) is and can has changed since the start."""
        self.account_disco: Collect[Disco] = Collect()
        """Somebody who may see it asks an account's bare JID."""
        self.stream_features: Collect[list[Element]] = Collect()
        """Stream features for a client that has authenticated (RFC 6120 §4.3.2)."""
