"""RFC 6121 §8.5: what becomes of a stanza for a local account, as the table of §8.5.4."""

from __future__ import annotations

from enum import Enum

from xmpp_server.core.host import Host
from xmpp_server.core.module import Inbound, Module, Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID

GROUPCHAT = "groupchat"
HEADLINE = "headline"
CHAT = "chat"
ERROR = "error"
NORMAL = "normal"
TYPES = frozenset((NORMAL, CHAT, GROUPCHAT, HEADLINE, ERROR))


class Fate(Enum):
    """What to do with a message; the letters are those of the table in RFC 6121 §8.5.4."""

    DELIVER = "D"
    """Give it to the resource that it is addressed to."""
    ALL = "A"
    """Give it to all resources of non-negative priority."""
    STORE = "O"
    """Keep it for later (XEP-0160), or refuse it where that cannot be."""
    REFUSE = "E"
    """Answer with service-unavailable."""
    SILENT = "S"
    """Drop it."""


#: To a bare JID: by type, with no resource of non-negative priority, and with at least one.
BARE = {
    NORMAL: (Fate.STORE, Fate.ALL),
    CHAT: (Fate.STORE, Fate.ALL),
    GROUPCHAT: (Fate.REFUSE, Fate.REFUSE),
    HEADLINE: (Fate.SILENT, Fate.ALL),
    ERROR: (Fate.SILENT, Fate.SILENT),
}
#: To a full JID that no session has. The RFC leaves silence or an error to the server for two of them (§8.5.3.2.1);
#: an error loses nothing.
NO_MATCH = {
    NORMAL: (Fate.REFUSE, Fate.REFUSE),
    CHAT: (Fate.STORE, Fate.ALL),
    GROUPCHAT: (Fate.REFUSE, Fate.REFUSE),
    HEADLINE: (Fate.SILENT, Fate.SILENT),
    ERROR: (Fate.SILENT, Fate.SILENT),
}


def message_type(value: str | None) -> str:
    """Return the type of a message; an unknown one counts as normal (RFC 6121 §5.2.2)."""
    return value if value in TYPES else NORMAL


def fate(event: Inbound) -> Fate:
    """Look a message up in the table."""
    resource = event.to.resourcepart
    if resource is not None and resource in event.account.sessions:
        return Fate.DELIVER
    return unmatched_fate(event.stanza.type, event.to, bool(event.account.available))


def unmatched_fate(kind: str | None, to: JID, anybody: bool) -> Fate:
    """Look up a message of a type to a bare JID, or a full one without a session; is `anybody` available?"""
    return (BARE if to.is_bare else NO_MATCH)[message_type(kind)][anybody]


class Delivery(Module):
    """Gives messages and IQs to the sessions of their account."""

    name = "delivery"

    def register(self, host: Host) -> None:
        """Take the last but one place in the chains; offline storage is behind."""
        host.hooks.message_in.add(self.message, Order.DELIVER)
        host.hooks.iq_in.add(self.iq, Order.DELIVER)

    def message(self, event: Inbound) -> bool:
        """Deliver, refuse or drop a message; what is to be stored goes on along the chain."""
        decision = fate(event)
        stanza = event.stanza
        if decision is Fate.DELIVER:
            event.account.sessions[event.to.resourcepart or ""].send(stanza, stanza.wire)
            return True
        if decision is Fate.ALL:
            for session in event.account.available:
                session.send(stanza, stanza.wire)
            return True
        if decision is Fate.STORE:
            return False
        if decision is Fate.REFUSE:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return True

    def iq(self, event: Inbound) -> bool:
        """Deliver an IQ to the resource that it is addressed to (§8.5.3)."""
        session = event.account.sessions.get(event.to.resourcepart or "")
        if session is None:
            return False
        session.send(event.stanza, event.stanza.wire)
        return True
