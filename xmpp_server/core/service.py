"""A domain under a host's own, such as `conference.example.org`, with the rooms or nodes that live there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from xmpp_server.core import discovery
from xmpp_server.core.hooks import Collect, Disco, Filter, Wait
from xmpp_server.core.iq import Access, IqHandler, IqRequest, IqTable, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas.error import error_reply
from xmpp_server.stanzas.iq import IqType, iq_type
from xmpp_server.storage.api import StorageBusyError, StorageFullError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, DISCO_ITEMS, PING
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.host import Host
    from xmpp_server.core.session import Session

#: Takes a stanza for the service; raises StanzaError.
Taker = Callable[[Stanza, JID], Wait]

log = structlog.get_logger()


class Service:
    """Takes the stanzas of one domain, in the way a `Host` does for its own.

    IQ handlers are found by `To.SERVER` for the domain itself and `To.ACCOUNT` for a bare JID on it; an IQ for a full
    JID goes to `full_iq`. `name` is what the host's service discovery calls the domain.
    """

    def __init__(self, host: Host, domain: str, name: str) -> None:
        self.host = host
        self.jid = JID.parse(domain)
        self.name = name
        self.iqs = IqTable()
        #: Somebody asks the domain itself.
        self.disco: Collect[Disco] = Collect()
        #: A request to the domain or a bare JID on it, before it goes to its handler.
        self.request: Filter[IqRequest] = Filter()
        self.message: Taker = _refuse
        self.presence: Taker = _ignore
        self.full_iq: Taker = _refuse
        #: A result or error for the domain or a bare JID on it.
        self.reply: Taker = _ignore
        self._afterwards: list[Callable[[], object]] = []
        self.on_iq(IqType.GET, To.SERVER, f"{DISCO_INFO} query", self._info)
        self.on_iq(IqType.GET, To.SERVER, f"{PING} ping", self._pong)
        host.router.routes[self.jid.domainpart] = self
        host.hooks.server_disco.add(self._stand_in_line)

    def on_iq(self, kind: IqType, to: To, tag: str, handler: IqHandler) -> None:
        """Let `handler` answer requests with payload `tag` ("ns name")."""
        self.iqs.add(kind, to, tag, handler, Access.ANYONE)

    def find_session(self, jid: JID) -> Session | None:
        """Return the session of a full JID, if this process has it, on whichever host."""
        host = self.host.router.routes.get(jid.domainpart)
        accounts = getattr(host, "accounts", None)
        if accounts is None or jid.localpart is None:
            return None
        account = accounts.active.get(jid.localpart)
        session: Session | None = None if account is None else account.sessions.get(jid.resourcepart)
        return session

    def describe(self, requester: JID, node: str) -> Disco:
        """Collect what there is to say of the domain itself."""
        disco = Disco(self.jid, requester, node, None)
        if not node:
            disco.features.update((DISCO_INFO, DISCO_ITEMS, PING))
        return self.disco.gather(disco)

    def send(self, stanza: Stanza) -> None:
        """Route a stanza of the service's own; nobody waits for it."""
        wait = self.host.router.route(stanza)
        if wait is not None:
            self.host.runtime.spawn(self.host.router.guard(stanza, wait), "service")

    def route(self, stanza: Stanza) -> Wait:
        """Take a stanza for this domain (`Route`); the sender is told of errors by whom it has addressed."""
        try:
            wait = self._take(stanza)
        except StanzaError as error:
            return self.refuse(stanza, error)
        except Exception:
            log.exception("stanza-failed", id=stanza.id, name=stanza.name, service=str(self.jid))
            return self.refuse(stanza, StanzaError(Condition.INTERNAL_SERVER_ERROR))
        return None if wait is None else self._later(stanza, wait)

    async def _later(self, stanza: Stanza, wait: Awaitable[None]) -> None:
        try:
            await wait
            return
        except StanzaError as error:
            rest = self.refuse(stanza, error)
        except (StorageBusyError, StorageFullError):  # the store has logged why
            rest = self.refuse(stanza, StanzaError(Condition.RESOURCE_CONSTRAINT, "Nothing can be stored now"))
        except Exception:
            log.exception("stanza-failed", id=stanza.id, name=stanza.name, service=str(self.jid))
            rest = self.refuse(stanza, StanzaError(Condition.INTERNAL_SERVER_ERROR))
        if rest is not None:
            await rest

    def refuse(self, stanza: Stanza, error: StanzaError) -> Wait:
        """Answer with an error; `by` tells that the room refused, not the occupant (RFC 6120 §8.3.1)."""
        assert stanza.to is not None  # noqa: S101 - stamped
        reply = error_reply(stanza, error, stanza.to.bare)
        return None if reply is None else self.host.router.route(reply)

    def _take(self, stanza: Stanza) -> Wait:
        to = stanza.to
        assert to is not None  # noqa: S101 - stamped
        if stanza.name == "message":
            return self.message(stanza, to)
        if stanza.name == "presence":
            return self.presence(stanza, to)
        kind = iq_type(stanza)
        if to.is_full and to.localpart is not None:
            return self.full_iq(stanza, to)
        if kind not in (IqType.GET, IqType.SET):
            return self.reply(stanza, to)
        return self._request(stanza, kind, to)

    def _request(self, stanza: Stanza, kind: IqType, to: JID) -> Wait:
        assert stanza.sender is not None  # noqa: S101 - stamped
        asked = IqRequest(stanza, kind, stanza.sender, to.bare, None, None)
        verdict = self.request.run(asked)
        if verdict:
            return None if isinstance(verdict, bool) else verdict
        whom = To.SERVER if to.localpart is None else To.ACCOUNT
        found = self.iqs.find(kind, whom, stanza.children[0])
        if found is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        reply = found[0](asked)
        if reply is not None and not isinstance(reply, Element):
            return self._answer_later(stanza, reply)
        wait = self.answer(stanza, reply)
        self._catch_up()
        return wait

    async def _answer_later(self, stanza: Stanza, reply: Awaitable[Element | None]) -> None:
        wait = self.answer(stanza, await reply)
        self._catch_up()
        if wait is not None:
            await wait

    def after_answer(self, action: Callable[[], object]) -> None:
        """Let a handler do something right behind its answer: nothing comes between the two.

        Only for what the handler calls as its last act before it returns.
        """
        self._afterwards.append(action)

    def _catch_up(self) -> None:
        while self._afterwards:
            self._afterwards.pop(0)()

    def answer(self, stanza: Stanza, payload: Element | None) -> Wait:
        """Send the result of a request."""
        return self.host.router.route(iqs.result(stanza, payload))

    def _info(self, request: IqRequest) -> Element:
        node = request.payload.get("node") or ""
        return discovery.info(self.describe(request.sender, node), node)

    def _pong(self, request: IqRequest) -> None:
        """Answer with an empty result (XEP-0199 §4.2)."""

    def _stand_in_line(self, disco: Disco) -> None:
        if not disco.node:
            disco.items.append((self.jid, "", self.name))


def _refuse(stanza: Stanza, to: JID) -> Wait:
    raise StanzaError(Condition.SERVICE_UNAVAILABLE)


def _ignore(stanza: Stanza, to: JID) -> Wait:
    return None
