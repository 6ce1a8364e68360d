"""XEP-0313 §4: what clients ask their archives and rooms'; the component answers, the server checks who may ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.im.offline import Offline
from xmpp_server.jid import JID
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.handover import Handover
from xmpp_server.stanzas import iq as iqs
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MAM, STANZA_ERRORS
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.hooks import Wait

#: What archives are asked: with these payloads.
TAGS = frozenset({f"{MAM} query", f"{MAM} metadata", f"{MAM} prefs"})
RESULT = f"{MAM} result"
#: Requests of one account that are open at once.
OPEN = 20
#: An answer to a client may take so long.
ANSWER_S = 60.0


class Question:
    """Whether a question was put to the archive."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


class Asking:
    """Passes requests on, and the answers back."""

    def __init__(self, host: Host, component: JID, handover: Handover) -> None:
        self._host = host
        self._component = component
        self._handover = handover
        offline = host.modules.get(Offline)
        self._offline = offline if isinstance(offline, Offline) else None
        self._open: Counter[JID] = Counter()

    def account(self, request: IqRequest) -> bool:
        """Take what an owner asks the own archive; everybody else gets what an unknown namespace gets."""
        if request.stanza.children[0] not in TAGS:
            return False
        account = request.account
        if account is None or account.anonymous or request.sender.bare != request.to:
            return False
        self.ask(request, request.to, room=False)
        return True

    def ask(self, request: IqRequest, owner: JID, *, room: bool) -> None:
        """Ask the archive of `owner` for somebody who may.

        Raises:
            StanzaError: resource-constraint; the archive is away, or asked too much at once.

        """
        if not self._handover.is_expected:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The archive is away")
        who = request.sender.bare
        if self._open[who] >= OPEN:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "Too many requests at once")
        self._open[who] += 1
        question = Question()
        send = partial(self._send, question, request, owner, room)
        self._handover.when_archived(send)
        if not question.asked:  # the archive starts, or has to take what was kept for it
            self._host.runtime.schedule(ANSWER_S, partial(self._give_up, question, request, send))

    def _give_up(self, question: Question, request: IqRequest, send: Callable[[], None]) -> None:
        if not question.asked:
            self._handover.forget(send)
            self._close(request)
            self._finish(request.stanza, self._host.router.reject(request.stanza, _refusal(None)))

    def _close(self, request: IqRequest) -> None:
        who = request.sender.bare
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]

    def _send(self, question: Question, request: IqRequest, owner: JID, room: bool) -> None:
        question.asked = True
        dispatch = self._host.iqs
        payload = protocol.ask(owner, request.sender, request.stanza, room=room)
        asking = protocol.request(dispatch.new_id(), self._host.jid, self._component, "ask", payload)
        dispatch.send(asking, partial(self._answered, request, owner), ANSWER_S)

    def _answered(self, request: IqRequest, owner: JID, reply: Stanza | None) -> None:
        self._close(request)
        session = request.session or self._session(request.sender)
        answer = None if reply is None else reply.element.find("answer", protocol.ARCHIVE)
        if answer is None:
            self._finish(request.stanza, self._host.router.reject(request.stanza, _refusal(reply)))
            return
        payload: Element | None = None
        offline = self._offline if session is not None and session.account.jid == owner else None
        for child in answer.elements():
            if child.tag == RESULT:
                message = Stanza.build(Element("message", CLIENT).append(child), owner, request.sender)
                self._give(message, session)
                if offline is not None and session is not None:
                    offline.caught_up.note(session, child.get("id") or "", message)
            else:
                payload = child
        self._give(iqs.result(request.stanza, payload), session)

    def _give(self, stanza: Stanza, session: Session | None) -> None:
        """Bring what is for a client here past the hooks for messages: it is no news."""
        if session is not None:
            session.send_element(stanza)
        elif stanza.to is not None and not isinstance(self._host.router.routes.get(stanza.to.domainpart), Host):
            self._finish(stanza, self._host.router.route(stanza))

    def _session(self, jid: JID) -> Session | None:
        host = self._host.router.routes.get(jid.domainpart)
        if not isinstance(host, Host) or jid.localpart is None or jid.resourcepart is None:
            return None
        account = host.accounts.active.get(jid.localpart)
        return None if account is None else account.sessions.get(jid.resourcepart)

    def _finish(self, stanza: Stanza, wait: Wait) -> None:
        if wait is not None:
            self._host.runtime.spawn(self._host.router.guard(stanza, wait), "archive")


def _refusal(reply: Stanza | None) -> StanzaError:
    """Return the component's error as the archive's own."""
    error = None if reply is None else reply.element.find("error", CLIENT)
    if error is None:
        return StanzaError(Condition.RESOURCE_CONSTRAINT, "The archive does not answer")
    condition = Condition.INTERNAL_SERVER_ERROR
    text = error.find("text", STANZA_ERRORS)
    for child in error.elements():
        if child.ns == STANZA_ERRORS and child.name in set(Condition):
            condition = Condition(child.name)
    kind = error.get("type")
    known = ErrorType(kind) if kind in set(ErrorType) else None
    return StanzaError(condition, "" if text is None else text.text, type=known)
