"""XEP-0280: Message Carbons: copies conversations to the other resources of an account."""

from __future__ import annotations

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import (
    Inbound,
    IqRequest,
    IqType,
    Module,
    Order,
    Outbound,
    SessionState,
    Slot,
    To,
    Xep,
)
from xmpp_server.core.session import Session
from xmpp_server.im.delivery import CHAT, ERROR, NORMAL, Fate, fate
from xmpp_server.stanzas.forward import forwarded_bytes
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CARBONS, CLIENT, HINTS, MUC_USER
from xmpp_server.xml.stanza import Stanza

RULES = "urn:xmpp:carbons:rules:0"
PRIVATE = f"{CARBONS} private"
NO_COPY = f"{HINTS} no-copy"
BODY = f"{CLIENT} body"
MUC = f"{MUC_USER} x"
RECEIVED = b"received"
SENT = b"sent"
#: Payloads that make a message without a body worth copying (§6.1: receipts, markers, chat states, calls).
COPIED = (
    "urn:xmpp:receipts ",
    "urn:xmpp:chat-markers:0 ",
    "http://jabber.org/protocol/chatstates ",
    "urn:xmpp:jingle-message:0 ",
    "jabber:x:conference ",
    "jabber:x:encrypted ",
    "eu.siacs.conversations.axolotl ",
    "urn:xmpp:omemo:",
    "urn:xmpp:message-correct:0 ",
    "urn:xmpp:message-retract:",
    "urn:xmpp:reactions:0 ",
    "urn:xmpp:fasten:0 ",
)


def eligible(stanza: Stanza, *, sent: bool = False) -> bool:
    """Tell whether copies of a message are made that an account gets, or has `sent` (§6.1)."""
    children = stanza.children
    if stanza.type not in (None, NORMAL, CHAT, ERROR) or PRIVATE in children or NO_COPY in children:
        return False
    if MUC in children:
        if _invites(stanza):
            return True
        if not sent:  # the room sends a private message to each of the occupant's clients
            return False
    if stanza.type in (CHAT, ERROR) or BODY in children:
        return True
    return any(tag.startswith(COPIED) for tag in children)


def _invites(stanza: Stanza) -> bool:
    """Tell whether a message is a mediated invitation (XEP-0045 §7.8.2)."""
    x = stanza.element.find("x", MUC_USER)
    return x is not None and x.find("invite", MUC_USER) is not None


class Enabled:
    """The sessions of an account that want copies."""

    __slots__ = ("sessions",)

    def __init__(self) -> None:
        self.sessions: tuple[Session, ...] = ()


class Carbons(Module):
    """Copies what one resource sends or gets to the others that have asked for it."""

    name = "carbons"
    xeps = (Xep(280, "1.0.1"),)
    features = (CARBONS, RULES)

    def register(self, host: Host) -> None:
        """Take enable and disable, and copy on the way out and in."""
        self._slot: Slot[Enabled] = Slot("carbons", Enabled)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{CARBONS} enable", self.enable)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{CARBONS} disable", self.disable)
        host.hooks.message_out.add(self.copy_sent, Order.COPY)
        host.hooks.message_in.add(self.copy_received, Order.COPY)
        host.hooks.session_ended.add(lambda end: self._remove(end.session))
        host.hooks.session_saved.add(self.save)
        host.hooks.session_restored.add(self.restore)

    def enable(self, request: IqRequest) -> None:
        """Begin to copy to the session that asks (§4)."""
        if request.session is not None:
            self._add(request.session)

    def disable(self, request: IqRequest) -> None:
        """Stop (§5)."""
        if request.session is not None:
            self._remove(request.session)

    def _add(self, session: Session) -> None:
        enabled = self._slot.get(session.account)
        if session not in enabled.sessions:
            enabled.sessions += (session,)

    def _remove(self, session: Session) -> None:
        enabled = self._slot.peek(session.account)
        if enabled is not None:
            enabled.sessions = tuple(other for other in enabled.sessions if other is not session)

    def save(self, state: SessionState) -> None:
        """Remember over a restart who wants copies."""
        enabled = self._slot.peek(state.session.account)
        if enabled is not None and state.session in enabled.sessions:
            state.data[self.name] = b""

    def restore(self, state: SessionState) -> None:
        """Go on copying."""
        if self.name in state.data:
            self._add(state.session)

    def copy_sent(self, event: Outbound) -> None:
        """Copy what a resource sends to the others (§8)."""
        enabled = self._slot.peek(event.session.account)
        if enabled is None or not enabled.sessions or enabled.sessions == (event.session,):
            return
        to = event.stanza.to
        if to is None or to.bare == event.session.account.jid:
            return  # it arrives at the account, and is copied there
        if eligible(event.stanza, sent=True):
            others = [session for session in enabled.sessions if session is not event.session]
            self._copy(event.session.account, event.stanza, SENT, others)

    def copy_received(self, event: Inbound) -> None:
        """Copy what arrives to those who do not get it anyway (§7)."""
        enabled = self._slot.peek(event.account)
        if enabled is None or not enabled.sessions:
            return
        decision = fate(event)
        if decision is Fate.DELIVER:
            others = [one for one in enabled.sessions if one.jid.resourcepart != event.to.resourcepart]
        elif decision is Fate.ALL:
            others = [one for one in enabled.sessions if one not in event.account.available]
        elif decision is Fate.STORE:
            others = list(enabled.sessions)
        else:
            return
        sender = event.stanza.sender
        if sender is not None and sender.bare == event.account.jid:
            others = [one for one in others if one.jid != sender]
        if others and eligible(event.stanza):
            self._copy(event.account, event.stanza, RECEIVED, others)

    @staticmethod
    def _copy(account: Account, stanza: Stanza, direction: bytes, sessions: list[Session]) -> None:
        inner = b"<%s xmlns='urn:xmpp:carbons:2'>%s</%s>" % (direction, forwarded_bytes(stanza), direction)
        kind = stanza.type or NORMAL
        head = Element("message", CLIENT, {"type": kind if kind in (CHAT, ERROR, NORMAL) else NORMAL})
        for session in sessions:
            copy = Stanza.build(head, account.jid, session.jid).annotated(inner, f"{CARBONS} {direction.decode()}")
            session.send(copy, copy.wire)
