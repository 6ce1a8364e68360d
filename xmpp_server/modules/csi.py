"""XEP-0352: Client State Indication: what can wait is held back while nobody looks at the client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

import msgspec

from xmpp_server.core.host import Host
from xmpp_server.core.module import Module, SessionEnd, SessionState, Slot, Xep
from xmpp_server.core.session import Session
from xmpp_server.im.offline import keeping
from xmpp_server.jid import JID
from xmpp_server.stanzas.forward import Forwarded
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import (
    CARBONS,
    CHAT_MARKERS,
    CHAT_STATES,
    CSI,
    DELAY,
    HINTS,
    MUC_USER,
    OCCUPANT_ID,
    PUBSUB_EVENT,
    RECEIPTS,
    SID,
)
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

#: Who is in a room now, and what became of one's own join (XEP-0045 §7.2.2).
SELF_PRESENCE = "110"
#: What says nothing to a human: alone or with others of these.
STATES = (f"{CHAT_STATES} ",)
COMPANIONS = (f"{HINTS} ", f"{SID} ", f"{DELAY} ", f"{OCCUPANT_ID} ")
NOTES = (*STATES, *COMPANIONS, f"{RECEIPTS} received", f"{CHAT_MARKERS} ")


class CsiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much waits for an inactive client, in stanzas and in bytes; with more, all of it is sent."""

    held_stanzas: int = 500
    held_bytes: int = 262_144


def holding(stanza: Stanza) -> tuple[bool, str]:
    """Tell whether a stanza can wait until somebody looks, and why."""
    if stanza.name == "presence":
        return _holding_presence(stanza)
    if stanza.name == "message":
        return _holding_message(stanza)
    return False, "iq"


def _holding_presence(stanza: Stanza) -> tuple[bool, str]:
    if stanza.type not in (None, "unavailable"):
        return False, "subscription or error"
    if f"{MUC_USER} x" in stanza.children:
        x = stanza.element.find("x", MUC_USER)
        if x is not None and any(status.get("code") == SELF_PRESENCE for status in x.findall("status", MUC_USER)):
            return False, "own presence in a room"
    return True, "presence"


def _holding_message(stanza: Stanza) -> tuple[bool, str]:
    kind, tags = stanza.type, stanza.children
    if f"{CARBONS} sent" in tags or f"{CARBONS} received" in tags:
        inner = _carbon(stanza)
        if inner is None:
            return False, "unreadable carbon"
        kind, tags = inner.get("type"), tuple(child.tag for child in inner.elements())
        if f"{CARBONS} sent" in stanza.children and any(tag.startswith(f"{CHAT_MARKERS} ") for tag in tags):
            return False, "read elsewhere"  # the client takes its notification back
    if kind == "error":
        return False, "error"
    if kind == "headline" and f"{PUBSUB_EVENT} event" in tags:
        return True, "event"
    if tags and all(tag.startswith(NOTES) or tag.endswith(" thread") for tag in tags):
        # What waits here is lost in a crash, so that a receipt which storage would keep must not.
        return (False, "worth keeping") if keeping(stanza)[0] else (True, "note")
    return False, "message"


def _carbon(stanza: Stanza) -> Element | None:
    """Return what a carbon copies (XEP-0280 §7)."""
    for name in ("received", "sent"):
        copy = stanza.element.find(name, CARBONS)
        forwarded = None if copy is None else Forwarded.of(copy)
        if forwarded is not None:
            return forwarded.stanza
    return None


class Held:
    """What waits for one session, in its order. It is the session's gate while the client is inactive."""

    __slots__ = ("_bytes", "_limits", "_session", "_stanzas")

    def __init__(self, session: Session, limits: CsiConfig) -> None:
        self._session = session
        self._limits = limits
        self._bytes = 0
        #: By sender where only the latest counts, else by serial number.
        self._stanzas: OrderedDict[object, tuple[Stanza, bytes]] = OrderedDict()

    def gate(self, stanza: Stanza, wire: bytes, stored_id: str | None) -> bool:
        """Hold a stanza back, or let it go behind all that was held before it."""
        hold, _ = holding(stanza)
        if not hold or stored_id is not None:
            self.flush()
            return False
        self.keep(stanza, wire)
        if len(self._stanzas) > self._limits.held_stanzas or self._bytes > self._limits.held_bytes:
            self.flush()
        return True

    def keep(self, stanza: Stanza, wire: bytes) -> None:
        """Let a stanza wait, instead of those that it makes old."""
        key = _key(stanza)
        old = self._stanzas.pop(key, None)
        self._bytes += len(wire) - (0 if old is None else len(old[1]))
        self._stanzas[key] = stanza, wire

    def flush(self) -> None:
        """Send all that waits."""
        self._bytes = 0
        while self._stanzas:
            _, (stanza, wire) = self._stanzas.popitem(last=False)
            self._session.transmit(stanza, wire)

    @property
    def wires(self) -> list[bytes]:
        """What waits, as bytes."""
        return [wire for _, wire in self._stanzas.values()]


def _key(stanza: Stanza) -> object:
    """Return what stanzas have in common of which only the latest counts; others have nothing in common."""
    if stanza.name == "presence":
        return "presence", stanza.sender
    if _is_state(stanza.children):
        return "state", stanza.sender, stanza.type == "groupchat"
    return object()


def _is_state(tags: Collection[str]) -> bool:
    return any(tag.startswith(STATES) for tag in tags) and all(
        tag.startswith((*STATES, *COMPANIONS)) or tag.endswith(" thread") for tag in tags
    )


class ClientState(Module):
    """Closes the gate of a session while its client is inactive."""

    name = "csi"
    xeps = (Xep(352, "1.0.0"),)
    Config = CsiConfig
    config: CsiConfig

    def register(self, host: Host) -> None:
        """Offer the feature and take the two elements."""
        self._held: Slot[Held | None] = Slot("csi", lambda: None)
        host.hooks.stream_features.add(self.feature)
        host.on_nonza(f"{CSI} active", self.active)
        host.on_nonza(f"{CSI} inactive", self.inactive)
        host.hooks.session_hibernated.add(self._flush)
        host.hooks.session_resumed.add(self._open)
        host.hooks.session_ended.add(self._ended)
        host.hooks.session_saved.add(self._save)
        host.hooks.session_restored.add(self._restore)

    def feature(self, features: list[Element]) -> None:
        """Announce it (§4.1)."""
        features.append(Element("csi", CSI))

    def inactive(self, session: Session, stanza: Stanza) -> None:
        """Begin to hold back (§4.2)."""
        if self._held.peek(session) is None:
            self._close(session)

    def active(self, session: Session, stanza: Stanza) -> None:
        """Send what has waited, before anything else is done for the client (§5.1)."""
        self._open(session)

    def _close(self, session: Session) -> Held:
        held = Held(session, self.config)
        self._held.set(session, held)
        session.gates += (held.gate,)
        return held

    def _flush(self, session: Session) -> None:
        """Leave what waits to XEP-0198, which takes care of a session without a connection."""
        held = self._held.peek(session)
        if held is not None:
            held.flush()

    def _open(self, session: Session) -> None:
        """Every stream begins active, a resumed one, too (§5.2)."""
        held = self._held.peek(session)
        if held is not None:
            self._held.discard(session)
            session.gates = tuple(gate for gate in session.gates if gate != held.gate)
            held.flush()

    def _ended(self, event: SessionEnd) -> None:
        self._open(event.session)

    def _save(self, state: SessionState) -> None:
        held = self._held.peek(state.session)
        if held is not None:
            state.data[self.name] = msgspec.msgpack.encode(held.wires)

    def _restore(self, state: SessionState) -> None:
        data = state.data.get(self.name)
        if data is not None:
            held = self._close(state.session)
            for wire in msgspec.msgpack.decode(data, type=list[bytes]):
                held.keep(_stanza(wire), wire)


def _stanza(wire: bytes) -> Stanza:
    """Read back what this server has written."""
    element = parse(wire)
    to = element.get("to")
    return Stanza.build(element, JID.parse(element.attrs["from"]), None if to is None else JID.parse(to))
