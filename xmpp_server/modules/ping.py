"""XEP-0199: XMPP Ping: answers pings, and finds clients that are gone without a word."""

from __future__ import annotations

import msgspec
import structlog

from xmpp_server.core.host import Host
from xmpp_server.core.module import Access, IqRequest, IqType, Module, To, Xep
from xmpp_server.core.session import Session
from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PING
from xmpp_server.xml.stanza import Stanza

#: So many clients are asked before everybody else has a turn.
SESSIONS_A_TURN = 100

log = structlog.get_logger()


class PingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to ask whether a silent client is still there, in seconds."""

    idle_s: float = 300.0
    timeout_s: float = 30.0


class Ping(Module):
    """One timer for all clients: those that were silent for long are asked, and dropped if they do not answer."""

    name = "ping"
    xeps = (Xep(199, "2.0.1"),)
    features = (PING,)
    account_features = (PING,)
    Config = PingConfig

    def register(self, host: Host) -> None:
        """Answer, and look around from time to time."""
        assert isinstance(self.config, PingConfig)  # noqa: S101 - `Config` above
        self._host = host
        self._idle_s = self.config.idle_s
        self._timeout_s = self.config.timeout_s
        host.on_iq(IqType.GET, To.SERVER, f"{PING} ping", self.pong)
        host.on_iq(IqType.GET, To.ACCOUNT, f"{PING} ping", self.pong, Access.OWNER)
        host.runtime.schedule(self._timeout_s, self._sweep)

    def pong(self, request: IqRequest) -> None:
        """Answer with an empty result (§4.2)."""

    def _sweep(self) -> None:
        silent_since = self._host.now() - self._idle_s
        silent = [
            session
            for account in self._host.accounts.active.values()
            for session in account.sessions.values()
            if session.transport is not None and session.last_received < silent_since
        ]
        if silent:
            self._host.runtime.spawn(self._ask_all(silent), "ping")
        self._host.runtime.schedule(self._timeout_s, self._sweep)

    async def _ask_all(self, sessions: list[Session]) -> None:
        """Ask many without making others wait."""
        for number, session in enumerate(sessions, 1):
            if session.transport is not None:
                self._ask(session)
            if number % SESSIONS_A_TURN == 0:
                await self._host.runtime.sleep(0)

    def _ask(self, session: Session) -> None:
        asked_at = self._host.now()

        def answered(reply: Stanza | None) -> None:
            if reply is None and not session.closed and session.last_received < asked_at:
                log.info("client-silent", session=str(session.jid))
                transport = session.transport
                if transport is not None:
                    session.connection_lost()
                    transport.close(StreamError(StreamCondition.CONNECTION_TIMEOUT))

        self._host.iqs.ask(session, self._host.jid, IqType.GET, Element("ping", PING), answered, self._timeout_s)
