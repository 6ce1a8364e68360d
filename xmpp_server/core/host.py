"""A virtual host: the way of a stanza through it, its hooks, its accounts and their sessions."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from xmpp_server.core.accounts import Account, Accounts
from xmpp_server.core.dispatch import REQUESTS, Dispatch
from xmpp_server.core.hooks import Hooks, Inbound, Outbound, Verdict, Wait
from xmpp_server.core.ids import Ids
from xmpp_server.core.iq import Access, IqHandler, To
from xmpp_server.core.keeper import Keeper, NoKeeper
from xmpp_server.core.provisioning import Provisioning
from xmpp_server.core.registry import Registry
from xmpp_server.core.router import Router, answer_for
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.error import error_reply
from xmpp_server.stanzas.iq import IqType, iq_type
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.module import Module
    from xmpp_server.core.runtime import Runtime
    from xmpp_server.core.session import Session
    from xmpp_server.storage.api import Storage

M = TypeVar("M", bound="Module")
NonzaHandler = Callable[["Session", Stanza], Wait]


class Limits(msgspec.Struct, frozen=True):
    """What a session or account may use; the configuration's `[limits]` sets them."""

    sessions_per_account: int = 20
    hibernated_per_account: int = 10
    unacknowledged_stanzas: int = 2000
    unacknowledged_bytes: int = 8_388_608
    resume_timeout_s: float = 600.0
    offline_messages: int = 1000
    roster_items: int = 2000


class Host:
    """One served domain."""

    def __init__(
        self,
        name: str,
        router: Router,
        storage: Storage,
        runtime: Runtime,
        limits: Limits,
        admins: Set[JID],
    ) -> None:
        self.jid = JID.parse(name)
        self.name = self.jid.domainpart
        self.router = router
        self.storage = storage
        self.runtime = runtime
        self.limits = limits
        self.admins = admins
        self.now: Callable[[], float] = runtime.now
        self.utcnow: Callable[[], datetime] = runtime.utcnow
        self.soon = runtime.soon
        self.ids = Ids(runtime.now, runtime.utcnow())
        self.hooks = Hooks()
        self.accounts = Accounts(self)
        self.sessions = Registry(self)
        self.provisioning = Provisioning(self)
        self.iqs = Dispatch(self)
        self.keeper: Keeper = NoKeeper()
        self.modules: dict[type[Module], Module] = {}
        self._nonzas: dict[str, NonzaHandler] = {}
        self._outbound: dict[str, Callable[[Session, Stanza], Wait]] = {
            "message": self._message_out,
            "presence": self._presence_out,
            "iq": self._iq_out,
        }
        self._inbound: dict[str, Callable[[Account, Stanza, JID], Wait]] = {
            "message": self._message_in,
            "presence": self._presence_in,
            "iq": self._iq_in,
        }
        router.routes[self.name] = self

    def add_module(self, module: Module) -> None:
        """Register a module; those it needs must be here already.

        Raises:
            LookupError: A needed module is missing.

        """
        for needed in module.needs:
            if needed not in self.modules:
                raise LookupError(f"module {module.name} needs {needed.name}")
        self.modules[type(module)] = module
        module.register(self)

    def module(self, kind: type[M]) -> M:
        """Return the instance of a module that the caller declared in `needs`."""
        found = self.modules[kind]
        assert isinstance(found, kind)  # noqa: S101 - as it was added
        return found

    def on_iq(self, kind: IqType, to: To, tag: str, handler: IqHandler, access: Access = Access.OWNER) -> None:
        """Let `handler` answer requests with payload `tag` ("ns name"); `access` counts for accounts only."""
        self.iqs.table.add(kind, to, tag, handler, access)

    def on_nonza(self, tag: str, handler: NonzaHandler) -> None:
        """Let `handler` take first-level elements that are no stanzas."""
        self._nonzas[tag] = handler

    def nonza(self, session: Session, stanza: Stanza) -> Wait:
        """Take a first-level element that is no stanza.

        Raises:
            StreamError: Nobody knows it (RFC 6120 §4.9.3.24).

        """
        handler = self._nonzas.get(f"{stanza.ns} {stanza.name}")
        if handler is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)
        return handler(session, stanza)

    def outbound(self, session: Session, stanza: Stanza, malformed: bool) -> Wait:
        """Take a stamped stanza from a local session; `malformed` tells that its `to` is no JID."""
        try:
            if malformed:
                raise StanzaError(Condition.JID_MALFORMED)
            wait = self._outbound[stanza.name](session, stanza)
        except Exception as error:
            self._refuse(session, stanza, answer_for(error, stanza))
            return None
        return None if wait is None else self.router.guard(stanza, wait)

    def _refuse(self, session: Session, stanza: Stanza, error: StanzaError) -> None:
        reply = error_reply(stanza, error)
        if reply is not None:
            session.send_element(reply)

    def _message_out(self, session: Session, stanza: Stanza) -> Wait:
        event = Outbound(stanza, session)
        for handler in self.hooks.message_out.handlers:
            verdict = handler(event)
            if verdict:
                return _wait(verdict)
        stanza = event.stanza
        to = stanza.to
        if to is None:  # RFC 6120 §8.1.1.1: to one's own account
            return self._message_in(session.account, stanza, session.account.jid)
        return self.router.route(stanza)

    def _presence_out(self, session: Session, stanza: Stanza) -> Wait:
        event = Outbound(stanza, session)
        verdict = self.hooks.presence_out.run(event)
        if verdict:
            return _wait(verdict)
        if event.stanza.to is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return self.router.route(event.stanza)

    def _iq_out(self, session: Session, stanza: Stanza) -> Wait:
        kind = iq_type(stanza)
        to = stanza.to
        request = kind in REQUESTS
        if to is None or to == session.account.jid:
            if not request:
                self.iqs.reply(stanza)
                return None
            return self.iqs.request(stanza, kind, session.account.jid, To.ACCOUNT, session, session.account)
        if to == self.jid:
            if not request:
                self.iqs.reply(stanza)
                return None
            return self.iqs.request(stanza, kind, self.jid, To.SERVER, session, None)
        event = Outbound(stanza, session)
        verdict = self.hooks.iq_out.run(event)
        return _wait(verdict) if verdict else self.router.route(event.stanza)

    def route(self, stanza: Stanza) -> Wait:
        """Take a stanza that is addressed to this domain, from anybody (`Route`).

        Raises:
            StanzaError: It cannot be delivered or answered.

        """
        to = stanza.to
        assert to is not None  # noqa: S101 - the router looked at it
        if to.localpart is None:
            return self._to_server(stanza, to)
        account = self.accounts.get(to.localpart)
        if account is None:
            return self._load_first(stanza, to)
        return self._inbound[stanza.name](account, stanza, to)

    async def _load_first(self, stanza: Stanza, to: JID) -> None:
        account = await self.accounts.load(to.bare)
        if account is not None:
            wait = self._inbound[stanza.name](account, stanza, to)
        else:
            wait = self._no_account(stanza, to)
        if wait is not None:
            await wait

    def _no_account(self, stanza: Stanza, to: JID) -> Wait:
        """RFC 6121 §8.5.1: nobody of that name here; nothing tells a stranger so that an account would not."""
        if stanza.name == "presence":
            if stanza.type != PresenceType.PROBE or stanza.sender is None:
                return None
            refusal = presence.build(to.bare, stanza.sender.bare, PresenceType.UNSUBSCRIBED, id=stanza.id)
            return self.router.route(refusal)  # RFC 6121 §4.3.2, as a stranger gets it of an account
        if stanza.name == "iq" and to.is_bare:
            kind = iq_type(stanza)
            return self.iqs.request(stanza, kind, to, To.ACCOUNT, None, None) if kind in REQUESTS else None
        if stanza.name == "message" and self.keeper.drops(stanza):
            return None  # who sends what nobody would see must not learn who exists
        raise StanzaError(Condition.SERVICE_UNAVAILABLE)

    def _to_server(self, stanza: Stanza, to: JID) -> Wait:
        if stanza.name == "iq":
            kind = iq_type(stanza)
            if kind in REQUESTS:
                return self.iqs.request(stanza, kind, to, To.SERVER, None, None)
            self.iqs.reply(stanza)
            return None
        if stanza.name == "message":
            verdict = self.hooks.server_message.run(stanza)
            if verdict:
                return _wait(verdict)
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return None

    def _message_in(self, account: Account, stanza: Stanza, to: JID) -> Wait:
        event = Inbound(stanza, account, to)
        for handler in self.hooks.message_in.handlers:
            verdict = handler(event)
            if verdict:
                return _wait(verdict)
        raise StanzaError(Condition.SERVICE_UNAVAILABLE)

    def _presence_in(self, account: Account, stanza: Stanza, to: JID) -> Wait:
        return _wait(self.hooks.presence_in.run(Inbound(stanza, account, to)))

    def _iq_in(self, account: Account, stanza: Stanza, to: JID) -> Wait:
        verdict = self.hooks.iq_in.run(Inbound(stanza, account, to))
        if verdict:
            return _wait(verdict)
        if to.is_full:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        kind = iq_type(stanza)
        if kind in REQUESTS:
            return self.iqs.request(stanza, kind, to, To.ACCOUNT, None, account)
        self.iqs.reply(stanza)
        return None


def _wait(verdict: Verdict) -> Wait:
    return None if isinstance(verdict, bool) else verdict
