"""The sessions of a host: binding, hibernation, resumption, the end of an account."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import structlog

from xmpp_server.core.management import StreamManagement
from xmpp_server.core.session import Session, Transport
from xmpp_server.errors import Condition, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.host import Host

log = structlog.get_logger()

#: An unacknowledged stanza older than this is kept in storage, so that its sender need not wait for its ack.
KEEP_AFTER_S = 1.5
#: A client that does not answer `<r/>` for so long is gone.
ACK_TIMEOUT_S = 45.0
#: A client whose `<r/>` cannot be answered in full for so long gets the count so far.
ANSWER_AFTER_S = 5.0
TICK_S = 1.0


class Registry:
    """Finds sessions by SM token, and watches those under stream management."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tokens: dict[str, Session] = {}
        self._managed: set[Session] = set()
        self._ticking = False

    async def bind(self, bare: JID, resource: str | None, transport: Transport, lang: str | None) -> Session:
        """Bind a resource to an account that may not be in memory; raises as `bind_to` does."""
        account = await self._host.accounts.load(bare)
        if account is None:
            raise _no_account()
        return self.bind_to(account, resource, transport, lang)

    def bind_to(self, account: Account, resource: str | None, transport: Transport, lang: str | None) -> Session:
        """Bind a resource to an account (RFC 6120 §7).

        Raises:
            StanzaError: The resource is malformed, or the account has too many sessions.
            StreamError: The account is gone or disabled.

        """
        try:
            jid = account.jid.with_resource(resource or secrets.token_urlsafe(9))
        except JIDMalformed:
            raise StanzaError(Condition.BAD_REQUEST, "This resource is not allowed") from None
        if account.deleted:
            raise _no_account()
        if account.record is not None and not account.record.enabled:  # since the client has authenticated
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "This account is disabled")
        assert jid.resourcepart is not None  # noqa: S101 - given above
        old = account.sessions.get(jid.resourcepart)
        if old is not None:  # RFC 6120 §7.7.2.2: the newer session wins
            old.end(
                StreamError(StreamCondition.CONFLICT, "Replaced by a new session"),
                "Replaced by a new session",
            )
        self._make_room(account)
        session = Session(self._host, account, jid, transport, lang)
        account.sessions[jid.resourcepart] = session
        self._host.accounts.activate(account)
        self._host.hooks.session_bound.fire(session)
        log.info("bound", session=str(jid), peer=transport.peer)
        return session

    def _make_room(self, account: Account) -> None:
        limit = self._host.limits.sessions_per_account
        if len(account.sessions) < limit:
            return
        for session in list(account.sessions.values()):
            if session.transport is None:
                session.end()
                return
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, f"An account has at most {limit} sessions")

    def manage(self, session: Session, *, resume: bool, max_s: float | None) -> StreamManagement:
        """Put a session under stream management (XEP-0198 §3)."""
        timeout_s = self._host.limits.resume_timeout_s
        if max_s is not None:
            timeout_s = min(timeout_s, max_s)
        token = secrets.token_urlsafe(15) if resume and timeout_s > 0 else ""
        sm = StreamManagement(session, token, timeout_s)
        self.adopt(session, sm)
        return sm

    def adopt(self, session: Session, sm: StreamManagement) -> None:
        """Give a session its stream management, new or saved before a restart."""
        session.sm = sm
        self._managed.add(session)
        if sm.token:
            self._tokens[sm.token] = session
        if not self._ticking:
            self._ticking = True
            self._host.runtime.schedule(TICK_S, self._tick)

    def find(self, token: str, bare: JID) -> Session | None:
        """Return the session that `token` resumes, if it is one of that account."""
        session = self._tokens.get(token)
        return session if session is not None and session.account.jid == bare else None

    def hibernate(self, session: Session, timeout_s: float) -> None:
        """Let a session wait for its client; where an account has too many, the one ends that was silent longest.

        That is another one: the client of this one may be about to resume it.
        """
        session.hibernation = self._host.runtime.schedule(timeout_s, session.end)
        waiting = [one for one in session.account.sessions.values() if one.transport is None and one is not session]
        limit = self._host.limits.hibernated_per_account
        if not limit:
            session.end()
        elif len(waiting) >= limit:
            min(waiting, key=lambda one: one.last_received).end()

    def awake(self, session: Session) -> None:
        """Stop the timer of `hibernate`."""
        if session.hibernation is not None:
            session.hibernation.cancel()
            session.hibernation = None

    def unbind(self, session: Session) -> None:
        """Forget a session that ends."""
        self.awake(session)
        self._managed.discard(session)
        if session.sm is not None:
            self._tokens.pop(session.sm.token, None)
        sessions = session.account.sessions
        if sessions.get(session.jid.resourcepart or "") is session:
            del sessions[session.jid.resourcepart or ""]
            session.account.refresh()

    def end_account(self, account: Account, error: StreamError) -> None:
        """End all sessions of an account."""
        for session in list(account.sessions.values()):
            session.end(error)

    @property
    def resumable(self) -> list[Session]:
        """The sessions that can be resumed."""
        return list(self._tokens.values())

    def _tick(self) -> None:
        """See to what clients have not acknowledged: ask, keep, give up."""
        now = self._host.now()
        for session in list(self._managed):
            sm = session.sm
            if sm is None or session.transport is None:
                continue
            if sm.asked_at is not None and now - sm.asked_at > ANSWER_AFTER_S:
                sm.reassure()
            if not sm.queue:
                continue
            if sm.requested_at is None:
                sm.request()
            elif now - sm.requested_at > ACK_TIMEOUT_S:
                log.info("client-unresponsive", session=str(session.jid), unacknowledged=len(sm.queue))
                session.transport.close(StreamError(StreamCondition.CONNECTION_TIMEOUT))
                session.connection_lost()
                continue
            for item in sm.queue:
                if now - item.sent_at < KEEP_AFTER_S:
                    break
                if item.receipt is not None:
                    self._host.keeper.keep(session.account, item)
        if self._managed:
            self._host.runtime.schedule(TICK_S, self._tick)
        else:
            self._ticking = False


def _no_account() -> StreamError:
    return StreamError(StreamCondition.NOT_AUTHORIZED, "This account does not exist any more")
