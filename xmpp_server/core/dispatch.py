"""IQs that end here: requests to the server and to accounts, and replies to what the server asked."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from xmpp_server.core.hooks import Wait
from xmpp_server.core.iq import Access, IqRequest, IqTable, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.host import Host
    from xmpp_server.core.runtime import Timer
    from xmpp_server.core.session import Session
    from xmpp_server.jid import JID

REQUESTS = (IqType.GET, IqType.SET)

#: Called with the reply, or None when there was none in time.
OnReply = Callable[["Stanza | None"], None]


class Dispatch:
    """Runs handlers for requests, and callbacks for replies."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.table = IqTable()
        self._asked: dict[str, tuple[JID, OnReply, Timer]] = {}

    def request(
        self,
        stanza: Stanza,
        kind: IqType,
        to: JID,
        whom: To,
        session: Session | None,
        account: Account | None,
    ) -> Wait:
        """Run the handler of a checked request and send its result.

        Raises:
            StanzaError: There is no handler, or it refuses.

        """
        assert stanza.sender is not None  # noqa: S101 - stamped
        asked = IqRequest(stanza, kind, stanza.sender, to, session, account)
        verdict = self._host.hooks.iq_request.run(asked)
        if verdict:
            return None if isinstance(verdict, bool) else verdict
        found = self.table.find(kind, whom, stanza.children[0])
        if found is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        handler, access = found
        if whom is To.ACCOUNT and access is Access.OWNER and asked.sender.bare != to:
            # RFC 6121 §8.5.1, §2.1.5: nobody learns from the answer whether the account exists
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        reply = handler(asked)
        if reply is None or isinstance(reply, Element):
            return self._answer(asked, reply)
        return self._answer_later(asked, reply)

    async def _answer_later(self, asked: IqRequest, reply: Awaitable[Element | None]) -> None:
        wait = self._answer(asked, await reply)
        if wait is not None:
            await wait

    def _answer(self, asked: IqRequest, payload: Element | None) -> Wait:
        result = iqs.result(asked.stanza, payload)
        if asked.session is not None:
            asked.session.send_element(result)
            return None
        return self._host.router.route(result)

    def ask(
        self,
        session: Session,
        sender: JID,
        kind: IqType,
        payload: Element,
        on_reply: OnReply,
        timeout_s: float,
    ) -> None:
        """Ask a client something; `on_reply` gets its result or error, or None after `timeout_s` seconds."""
        request = iqs.request(kind, sender, session.jid, self.new_id(), payload)
        self._expect(request, on_reply, timeout_s)
        session.send_element(request)

    def send(self, request: Stanza, on_reply: OnReply, timeout_s: float) -> None:
        """Ask anybody something in the name of the host or of an account, with an id of `new_id`.

        `on_reply` gets the result or error, or None after `timeout_s` seconds.
        """
        self._expect(request, on_reply, timeout_s)
        wait = self._host.router.route(request)
        if wait is not None:
            self._host.runtime.spawn(self._host.router.guard(request, wait), "request")

    @staticmethod
    def new_id() -> str:
        """Return an id that nobody can guess: who knows it can answer."""
        return secrets.token_hex(12)

    def _expect(self, request: Stanza, on_reply: OnReply, timeout_s: float) -> None:
        assert request.id is not None  # noqa: S101 - ours
        assert request.to is not None  # noqa: S101 - ours
        ident = request.id
        timer = self._host.runtime.schedule(timeout_s, lambda: self._expire(ident))
        self._asked[ident] = request.to, on_reply, timer

    def reply(self, stanza: Stanza) -> None:
        """Take a result or an error that a client sent to the server or to its own account."""
        asked = self._asked.get(stanza.id or "")
        if asked is None or asked[0] != stanza.sender:
            return  # RFC 6120 §8.2.3: a stray reply is ignored
        del self._asked[stanza.id or ""]
        _, on_reply, timer = asked
        timer.cancel()
        on_reply(stanza)

    def _expire(self, ident: str) -> None:
        asked = self._asked.pop(ident, None)
        if asked is not None:
            asked[1](None)
