"""Sessions over a planned restart: those that can be resumed are written down, and wait again afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from xmpp_server.core.hooks import SessionState
from xmpp_server.core.management import Sent, StreamManagement
from xmpp_server.core.session import Session
from xmpp_server.jid import JID
from xmpp_server.storage.api import SavedSession
from xmpp_server.streams.sm import SmQueue
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.core.host import Host

log = structlog.get_logger()


class _Queued(msgspec.Struct, array_like=True):
    wire: bytes
    stored_id: str | None


class _State(msgspec.Struct):
    received: int
    acknowledged: int
    timeout_s: float
    presence: bytes | None
    priority: int
    queue: list[_Queued]
    modules: dict[str, bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


def save(session: Session) -> SavedSession:
    """Write down a session that can be resumed and has no connection any more.

    What it has received and is not safe yet is not counted: the client sends it again.
    """
    sm = session.sm
    if sm is None or not sm.resumable:
        raise ValueError("the session cannot be resumed")
    state = _State(
        received=sm.ledger.safe,
        acknowledged=sm.queue.acknowledged,
        timeout_s=sm.timeout_s,
        presence=None if session.presence is None else session.presence.wire,
        priority=session.priority,
        queue=[_Queued(item.wire, item.stored_id) for item in sm.queue],
        modules=session.host.hooks.session_saved.gather(SessionState(session)).data,
    )
    expires = session.host.utcnow() + timedelta(seconds=sm.timeout_s)
    return SavedSession(sm.token, session.jid, _encoder.encode(state), expires)


async def restore(host: Host, saved: SavedSession) -> bool:
    """Let a saved session wait for its client again; false where it cannot: it is expired, or its account is gone."""
    left_s = (saved.expires - host.utcnow()).total_seconds()
    resource = saved.jid.resourcepart
    account = await host.accounts.load(saved.jid.bare)
    if left_s <= 0 or resource is None or account is None or resource in account.sessions:
        return False
    try:
        state = _decoder.decode(saved.data)
        presence = None if state.presence is None else _stanza(state.presence)
        queue = [(_stanza(item.wire), item) for item in state.queue]
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        log.error("session-unreadable", session=str(saved.jid), error=str(error))
        return False
    session = Session(host, account, saved.jid, None, None)
    account.sessions[resource] = session
    host.accounts.activate(account)
    sm = StreamManagement(session, saved.token, state.timeout_s)
    sm.ledger.received = state.received
    now = host.now()
    sent = (Sent(stanza, item.wire, item.stored_id, now) for stanza, item in queue)
    sm.queue = SmQueue(sent, state.acknowledged)
    sm.queued_bytes = sum(len(item.wire) for item in state.queue)
    host.sessions.adopt(session, sm)
    session.set_presence(presence, state.priority)
    host.hooks.session_restored.fire(SessionState(session, state.modules))
    host.keeper.reclaim(account, [item.stored_id for item in state.queue if item.stored_id is not None])
    host.sessions.hibernate(session, left_s)
    return True


def _stanza(wire: bytes) -> Stanza:
    element = parse(wire)
    to = element.attrs.get("to")
    return Stanza.build(element, JID.parse(element.attrs["from"]), None if to is None else JID.parse(to))
