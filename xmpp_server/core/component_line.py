"""One connection of an external component (XEP-0114), as the kernel sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, StanzaError, StreamError
from xmpp_server.jid import JID
from xmpp_server.stanzas.error import error_element
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.component import Component

#: XEP-0225, of which only the binding of further domains is here.
BIND: Final = "urn:xmpp:component:0"
_BINDING = ((f"{BIND} bind",), (f"{BIND} unbind",))


class Link(Protocol):
    """A connection of a component, as far as the kernel knows it."""

    @property
    def buffered(self) -> int:
        """Bytes that wait for the component to read."""
        ...

    @property
    def peer(self) -> str:
        """The component's address."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes; never waits, never raises."""
        ...

    def close(self, error: StreamError | None) -> None:
        """End the stream, with an error or in good order."""
        ...


class Line:
    """One connection of a component, authenticated; `receive` takes its stanzas."""

    __slots__ = ("component", "domain", "domains", "link", "refusing_since", "serial")

    def __init__(self, component: Component, domain: JID, link: Link, serial: int) -> None:
        self.component = component
        #: The domain that the connection has named first, and all that it serves.
        self.domain = domain
        self.domains = {domain.domainpart}
        self.link = link
        self.serial = serial
        #: Since when its outbox is full (monotonic seconds).
        self.refusing_since: float | None = None

    def send(self, stanza: Stanza) -> None:
        """Give the component a stanza on this connection."""
        self.component.sent += 1
        self.link.write(stanza.wire)

    def receive(self, stanza: Stanza) -> Wait:
        """Take a first-level element; an awaitable result suspends the stream until it is done.

        Raises:
            StreamError: An address is missing, or `from` is not of the component's domains.

        """
        component = self.component
        if stanza.children in _BINDING and "to" not in stanza.attrs and (stanza.name, stanza.type) == ("iq", "set"):
            self._bind(stanza)
            return None
        sender, to = component.addresses(stanza)
        component.received += 1
        stanza.accept(sender, to)
        if stanza.ns != CLIENT:  # an explicit jabber:component:accept
            stanza = Stanza.build(stanza.element, sender, to)
        if to is None:
            return component.router.reject(stanza, StanzaError(Condition.JID_MALFORMED))
        if stanza.name == "iq" and not component.note(self, stanza, sender, to):
            return None
        wait = component.router.route(stanza)
        return None if wait is None else component.router.guard(stanza, wait)

    def _bind(self, stanza: Stanza) -> None:
        """Serve one more domain of the component on this connection, or one less (XEP-0225 §4)."""
        payload = stanza.element.first
        assert payload is not None  # noqa: S101 - `_bind` is called for its tag
        hostname = payload.find("hostname", BIND)
        domain = "" if hostname is None else hostname.text.strip()
        answer = Element("iq", CLIENT, {"type": "result", "id": stanza.id or ""})
        if domain not in self.component.names:
            answer.attrs["type"] = "error"
            answer.append(error_element(StanzaError(Condition.NOT_ALLOWED), CLIENT))
        elif payload.name == "bind":
            self.domains.add(domain)
            answer.add("bind", BIND).add("hostname", text=domain)
        else:
            self.domains.discard(domain)
        self.send(Stanza.build(answer, None, self.domain))

    def end(self) -> None:
        """The connection is gone."""
        self.component.detach(self)
