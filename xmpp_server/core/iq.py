"""IQ requests that the server answers itself: one table, one handler each (RFC 6120 §8.2.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from xmpp_server.stanzas.iq import IqType, payload

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.session import Session
    from xmpp_server.jid import JID
    from xmpp_server.xml.element import Element
    from xmpp_server.xml.stanza import Stanza


class To(Enum):
    """Whom a request addresses."""

    SERVER = "server"
    """The domain of the host."""
    ACCOUNT = "account"
    """The bare JID of a local account, or no address at all: the sender's own account (RFC 6120 §8.1.1.1)."""


class Access(Enum):
    """Who may ask an account."""

    OWNER = "owner"
    """The account's own sessions; everybody else gets what an unknown namespace gets."""
    ANYONE = "anyone"
    """Anybody; the handler decides. The account may not exist: then `IqRequest.account` is None."""


class IqRequest:
    """A get or set for the server or an account, with exactly one payload element."""

    __slots__ = ("account", "sender", "session", "stanza", "to", "type")

    def __init__(
        self,
        stanza: Stanza,
        kind: IqType,
        sender: JID,
        to: JID,
        session: Session | None,
        account: Account | None,
    ) -> None:
        self.stanza = stanza
        self.type = kind
        #: Who asks; `hooks.iq_request` may let somebody ask in another's name. The answer goes to the stanza's sender.
        self.sender = sender
        #: The domain of the host, or the account's bare JID even where the stanza has no `to`.
        self.to = to
        #: The sender's session where it is a local one.
        self.session = session
        #: With `To.ACCOUNT`: the account asked, loaded.
        self.account = account

    @property
    def payload(self) -> Element:
        """The one child of the request."""
        return payload(self.stanza)

    @property
    def own(self) -> Account:
        """The account that is asked; with `Access.OWNER` there is always one."""
        assert self.account is not None  # noqa: S101 - see the docstring
        return self.account


#: The payload of the result, None for an empty result, or an awaitable of either. Errors are raised.
Reply: TypeAlias = "Element | Awaitable[Element | None] | None"
IqHandler: TypeAlias = Callable[[IqRequest], Reply]


class IqTable:
    """Handlers by type, kind of addressee and payload."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[IqType, To, str], tuple[IqHandler, Access]] = {}

    def add(self, kind: IqType, to: To, tag: str, handler: IqHandler, access: Access) -> None:
        """Register a handler for payload `tag` ("ns name").

        Raises:
            ValueError: There is one already.

        """
        key = (kind, to, tag)
        if key in self._handlers:
            raise ValueError(f"two handlers for {key}")
        self._handlers[key] = handler, access

    def find(self, kind: IqType, to: To, tag: str) -> tuple[IqHandler, Access] | None:
        """Return the handler and who may use it."""
        return self._handlers.get((kind, to, tag))
