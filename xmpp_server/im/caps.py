"""XEP-0115: Entity Capabilities: what the clients of local accounts can, asked once for each hash."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final, NamedTuple

import structlog

from xmpp_server.core.hooks import Notify
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqType, Module, PresenceChange, Slot, Xep
from xmpp_server.core.session import Session
from xmpp_server.im.caps_hash import HASHES, Capabilities, is_proven, read_capabilities
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CAPS, DISCO_INFO
from xmpp_server.xml.stanza import Stanza

TAG: Final = f"{CAPS} c"
ANSWER: Final = f"{DISCO_INFO} query"
_NS: Final = CAPS.encode()
#: How many hashes are remembered, and how large an answer may be to be remembered for others.
CACHE: Final = 1000
CACHED_BYTES: Final = 16_384
TIMEOUT_S: Final = 30.0
#: How many questions of a session may be open; what it announces while there are more is not asked about.
QUESTIONS: Final = 8

log = structlog.get_logger()


class Announced(NamedTuple):
    """The attributes of `<c/>`. Without a hash function it is the legacy format (§3)."""

    node: str
    ver: str
    hash: str

    @property
    def is_provable(self) -> bool:
        """Whether the answer can be held against `ver`, and then be used for others."""
        return self.hash in HASHES


class CapsChange:
    """What a session's client can has become known, or has changed; None: unknown, or gone."""

    __slots__ = ("new", "old", "session")

    def __init__(self, session: Session, old: Capabilities | None, new: Capabilities | None) -> None:
        self.session = session
        self.old = old
        self.new = new


class _State:
    """What a session has announced, and what that means if it is known."""

    __slots__ = ("announced", "capabilities", "raw")

    def __init__(self, announced: Announced, raw: bytes) -> None:
        self.announced = announced
        self.raw = raw
        self.capabilities: Capabilities | None = None


class Caps(Module):
    """Finds out what clients can, from the `<c/>` in their presence."""

    name = "caps"
    xeps = (Xep(115, "1.6.0"),)

    def register(self, host: Host) -> None:
        """Watch presence."""
        self._host = host
        #: A session's capabilities are known, or others than before.
        self.changed: Notify[CapsChange] = Notify()
        self._state: Slot[_State | None] = Slot("caps", lambda: None)
        self._questions: Slot[int] = Slot("caps-questions", int)
        #: By (hash, ver); only what was verified.
        self._known: OrderedDict[tuple[str, str], Capabilities] = OrderedDict()
        #: The sessions that have announced a hash about which somebody is being asked, in their order.
        self._waiting: dict[tuple[str, str], list[Session]] = {}
        host.hooks.presence_changed.add(self._presence)
        host.hooks.session_resumed.add(self._resumed)

    def of(self, session: Session) -> Capabilities | None:
        """Return what a session's client can, or None if that is not known (yet)."""
        state = self._state.peek(session)
        return None if state is None else state.capabilities

    def _presence(self, change: PresenceChange) -> None:
        session, stanza = change.session, change.new
        state = self._state.peek(session)
        if stanza is None or TAG not in stanza.children:
            if state is not None:
                self._state.discard(session)
                self._tell(session, state.capabilities, None)
            return
        raw = _raw(stanza)
        if state is not None and raw and raw == state.raw:
            return  # as in most updates: no tree is made
        announced = _announced(stanza)
        if announced is None or (state is not None and state.announced == announced):
            return
        new = _State(announced, raw)
        self._state.set(session, new)
        key = announced.hash, announced.ver
        if announced.is_provable and key in self._known:
            self._known.move_to_end(key)
            new.capabilities = self._known[key]
        self._tell(session, state.capabilities if state is not None else None, new.capabilities)
        if new.capabilities is not None or self._questions.get(session) >= QUESTIONS:
            return
        if not announced.is_provable:
            self._ask(session, announced)
        elif key in self._waiting:
            self._waiting[key].append(session)
        else:
            self._waiting[key] = []
            self._ask(session, announced)

    def _resumed(self, session: Session) -> None:
        """Catch up with a session that was saved over a restart: nobody has seen its presence come."""
        if session.presence is not None and self._state.peek(session) is None:
            self._presence(PresenceChange(session, None, session.presence))

    def _ask(self, session: Session, announced: Announced) -> None:
        """Ask in the name of the account, whom its client answers."""
        query = Element("query", DISCO_INFO, {"node": f"{announced.node}#{announced.ver}"})
        on_reply = partial(self._replied, session, announced)
        self._questions.set(session, self._questions.get(session) + 1)
        self._host.iqs.ask(session, session.account.jid, IqType.GET, query, on_reply, TIMEOUT_S)

    def _replied(self, session: Session, announced: Announced, reply: Stanza | None) -> None:
        self._questions.set(session, self._questions.get(session) - 1)
        query = None
        if reply is not None and reply.type == "result" and ANSWER in reply.children:
            query = reply.element.find("query", DISCO_INFO)
        capabilities = None if query is None else read_capabilities(query)
        if capabilities is not None:
            self._learn(session, announced, capabilities)
        if not announced.is_provable:
            return
        key = announced.hash, announced.ver
        if query is None or capabilities is None or not is_proven(query, *key):
            log.info("caps-unproven", session=str(session.jid), node=announced.node)
            self._ask_next(key)
            return
        if reply is not None and len(reply.raw) <= CACHED_BYTES:
            self._known[key] = capabilities
            if len(self._known) > CACHE:
                self._known.popitem(last=False)
        for other in self._waiting.pop(key, ()):
            state = self._state.peek(other)
            if state is not None:
                self._learn(other, state.announced, capabilities, key)

    def _ask_next(self, key: tuple[str, str]) -> None:
        """Somebody has not told the truth, or nothing: ask another one who announces the same (§5.4)."""
        waiting = self._waiting[key]
        while waiting:
            session = waiting.pop(0)
            state = self._state.peek(session)
            if state is not None and not session.closed and (state.announced.hash, state.announced.ver) == key:
                self._ask(session, state.announced)
                return
        del self._waiting[key]

    def _learn(
        self,
        session: Session,
        announced: Announced,
        capabilities: Capabilities,
        key: tuple[str, str] | None = None,
    ) -> None:
        """Note what a session can, if it still announces what this is about."""
        state = self._state.peek(session)
        if state is None or session.closed or state.announced != announced:
            return
        if key is not None and (announced.hash, announced.ver) != key:
            return
        old, state.capabilities = state.capabilities, capabilities
        self._tell(session, old, capabilities)

    def _tell(self, session: Session, old: Capabilities | None, new: Capabilities | None) -> None:
        if old != new:
            self.changed.fire(CapsChange(session, old, new))


def _announced(stanza: Stanza) -> Announced | None:
    element = stanza.element.find("c", CAPS)
    if element is None:
        return None
    node, ver = element.get("node"), element.get("ver")
    if not node or not ver:
        return None
    return Announced(node, ver, element.get("hash") or "")


def _raw(stanza: Stanza) -> bytes:
    """Return the bytes of `<c/>` where they can be found without a parser, else nothing."""
    wire = stanza.wire
    if wire.count(_NS) != 1:
        return b""
    at = wire.index(_NS)
    return wire[wire.rfind(b"<", 0, at) : wire.find(b">", at) + 1]
