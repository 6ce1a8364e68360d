"""XEP-0114: the server's side of a component's stream ("accept"), without I/O."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha1
from types import MappingProxyType
from typing import TypeAlias

from xmpp_server.errors import SaslCondition, SaslError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.streams import header
from xmpp_server.streams.events import Authenticated, AuthFailed
from xmpp_server.streams.policy import ComponentPolicy
from xmpp_server.streams.stream import Events, State, Stream
from xmpp_server.xml.element import tag
from xmpp_server.xml.namespaces import CLIENT, COMPONENT, CONTENT, STREAM
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr

#: What `Authenticated.mechanism` says of a component.
MECHANISM = "handshake"

_BOUND = State.BOUND
_STANZAS = frozenset({"message", "presence", "iq"})
_ACCEPTED = b"<handshake/>"


class ComponentStream(Stream):
    """One connection of a component, from the first byte to the last.

    The scanner reads the content namespace as jabber:client, so that stanzas are what they are on a client's stream;
    stanzas written without an explicit `xmlns` are the component's (RFC 6120 §4.8.3).
    """

    __slots__ = ("_domain", "_id")
    _policy: ComponentPolicy

    def __init__(self, policy: ComponentPolicy, now: float) -> None:
        super().__init__(policy, now)
        self._domain: JID | None = None
        self._id = ""

    def receive(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes of the component. After `Authenticated` come stanzas of all three kinds, and `Ended`."""
        if self._state is not _BOUND:
            return self._negotiate(data, now)
        return self._sift(self._scanner.feed(data))

    @property
    def domain(self) -> str:
        """The domain that the component has named, or empty."""
        return "" if self._domain is None else self._domain.domainpart

    def _open(self, event: StreamHeader) -> None:
        """Answer the header in the component's name (XEP-0114 §3); errors come behind it (RFC 6120 §4.9.1.2)."""
        domain = header.addressed_domain(event)
        self._domain = None if domain is None else JID.parse(domain)
        self._write_header()
        if event.default_ns != COMPONENT and COMPONENT not in event.namespaces.values():
            raise StreamError(StreamCondition.INVALID_NAMESPACE, "Only jabber:component:accept is spoken here")
        if self._policy.secret(self.domain) is None:
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        self._state = State.FEATURES

    def _write_header(self, to: JID | None = None) -> None:
        self._id = self._policy.stream_id()
        domain = self.domain or self._policy.default_domain
        self._out += (
            f"<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAM}'"
            f" from='{escape_attr(domain)}' id='{escape_attr(self._id)}'>"
        ).encode()
        self._answered = True

    def _transition(self, element: Stanza, events: Events) -> None:
        key = (self._state, tag(element.ns, element.name))
        _TRANSITIONS.get(key, ComponentStream._unexpected)(self, element, events)

    def _passes(self, element: Stanza) -> bool:
        return element.name in _STANZAS and element.ns in CONTENT

    def _shake(self, handshake: Stanza, events: Events) -> None:
        """Compare the proof; how long that takes tells nothing of where it goes wrong."""
        secret = self._policy.secret(self.domain)
        proof = sha1((self._id + (secret or "")).encode(), usedforsecurity=False).hexdigest()
        given = handshake.element.text.strip().lower()
        if secret is None or not hmac.compare_digest(proof.encode(), given.encode()):
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        self._out += _ACCEPTED
        self.jid = self._domain
        self._state = _BOUND
        self.deadline = None
        self._scanner.limits = self._limits.after_auth
        self._scanner.step = False
        events.append(Authenticated(self.domain, MECHANISM))
        events += self._sift(self._scanner.feed(b""))

    def _authentication_failed(self, failure: SaslError, events: Events) -> None:
        """XEP-0114 §3: close; there is no second try."""
        events.append(AuthFailed(self.domain, failure.condition))
        raise StreamError(StreamCondition.NOT_AUTHORIZED)

    def _unexpected(self, element: Stanza, events: Events) -> None:
        if element.ns in CONTENT and element.name in _STANZAS:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "Send a handshake first")
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)


Transition: TypeAlias = Callable[[ComponentStream, Stanza, Events], None]

#: An element without an entry is `_unexpected`; stanzas of a bound stream do not come here.
_TRANSITIONS: Mapping[tuple[State, str], Transition] = MappingProxyType(
    {
        (State.FEATURES, tag(CLIENT, "handshake")): ComponentStream._shake,
        (State.FEATURES, tag(COMPONENT, "handshake")): ComponentStream._shake,
    }
)
