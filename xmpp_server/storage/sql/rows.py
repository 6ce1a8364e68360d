"""How values of the store's interface look as columns, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.storage.api import AccountRecord, OfflineMessage, RosterItem, SavedSession

# jid, enabled, created, credentials
AccountRow = tuple[str, int, int, str]
# the same, then roster_version, roster as JSON (PostgreSQL: None if empty), count of offline messages
LoadedRow = tuple[str, int, int, str, int, str | None, int]
RosterRow = tuple[int, str | None]
# contact, name, subscription, ask, approved, groups, pending_in as hexadecimal digits (or nothing)
_ItemRow = tuple[str, str, str, int, int, str, str | None]
# token, jid, expires, data
SessionRow = tuple[str, str, int, bytes]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

log = structlog.get_logger(__name__)


class _Keys(msgspec.Struct):
    """`ScramKeys` as the column `credentials` holds them; bytes become Base64."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


_credentials = msgspec.json.Decoder(dict[str, _Keys])
_items = msgspec.json.Decoder(list[_ItemRow])
_groups = msgspec.json.Decoder(tuple[str, ...])
_encoder = msgspec.json.Encoder()


def microseconds(stamp: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (stamp - _EPOCH) // _MICROSECOND


def time_of(stamp: int) -> datetime:
    """The time `stamp` microseconds after 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=stamp)


def credentials_text(credentials: Mapping[str, ScramKeys]) -> str:
    """Write credentials as JSON."""
    stored = {
        name: _Keys(keys.salt, keys.iterations, keys.stored_key, keys.server_key) for name, keys in credentials.items()
    }
    return _encoder.encode(stored).decode()


def account_record(jid: JID, row: AccountRow | LoadedRow) -> AccountRecord:
    """Read an account; credentials that cannot be read are logged and count as none."""
    try:
        stored = _credentials.decode(row[3])
    except msgspec.DecodeError:
        log.error("corrupt_row", table="accounts", jid=str(jid))
        stored = {}
    credentials = {
        name: ScramKeys(keys.salt, keys.iterations, keys.stored_key, keys.server_key) for name, keys in stored.items()
    }
    return AccountRecord(jid, bool(row[1]), time_of(row[2]), credentials)


def item_values(item: RosterItem) -> dict[str, object]:
    """Name the columns of a roster item, but its owner."""
    return {
        "contact": str(item.jid),
        "name": item.name,
        "subscription": str(item.subscription),
        "ask": int(item.ask),
        "approved": int(item.approved),
        "groups": _encoder.encode(item.groups).decode() if item.groups else "",
        "pending_in": item.pending_in,
    }


def roster_items(owner: JID, text: str | None) -> list[RosterItem]:
    """Read the items of a roster, by the text of their JIDs; one that cannot be read is logged and left out."""
    items = []
    for contact, name, subscription, ask, approved, groups, pending_in in sorted(_items.decode(text or "[]")):
        try:
            item = RosterItem(
                JID.parse(contact),
                name,
                subscription,
                bool(ask),
                bool(approved),
                _groups.decode(groups) if groups else (),
                bytes.fromhex(pending_in) if pending_in else None,
            )
        except ValueError:  # JIDMalformed and msgspec's errors are such
            log.error("corrupt_row", table="roster", owner=str(owner), contact=contact)
        else:
            items.append(item)
    return items


def offline_message(row: tuple[str, int, bytes]) -> OfflineMessage:
    """Read a message."""
    return OfflineMessage(row[0], time_of(row[1]), row[2])


def session_values(session: SavedSession) -> dict[str, object]:
    """Name the columns of a saved session."""
    return {
        "token": session.token,
        "owner": str(session.jid.bare),
        "jid": str(session.jid),
        "expires": microseconds(session.expires),
        "data": session.data,
    }


def saved_sessions(found: Sequence[SessionRow]) -> list[SavedSession]:
    """Read saved sessions; one that cannot be read is logged and left out."""
    sessions = []
    for token, jid, expires, data in found:
        try:
            sessions.append(SavedSession(token, JID.parse(jid), data, time_of(expires)))
        except ValueError:
            log.error("corrupt_row", table="sessions", jid=jid)
    return sessions
