"""What is kept of a room over a restart, as documents of its JID."""

from __future__ import annotations

import msgspec

from xmpp_server.jid import JID
from xmpp_server.modules.muc.history import History, Line
from xmpp_server.modules.muc.journal import Journal
from xmpp_server.modules.muc.room import Affiliate, Room, RoomLimits, Subject
from xmpp_server.modules.muc.settings import RoomConfig

#: Kinds of a room's documents, each with the key "".
ROOM = "muc-room"
HISTORY = "muc-history"
#: Kind of the service's documents: an entry for each room, by localpart, and for each that is gone.
INDEX = "muc-rooms"
TOMBSTONES = "muc-tombstones"
SECRET = "muc-secret"  # noqa: S105 - a kind of document


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What the service knows of each stored room without loading it."""

    name: str
    public: bool
    creator: str
    description: str = ""
    lang: str = ""
    #: Whether anybody may enter, and whether everybody sees real JIDs.
    open: bool = True
    non_anonymous: bool = False


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """A room that was destroyed: where to go instead, why, who may found it again, and until when this stands.

    `until` is in seconds of Unix time.
    """

    venue: str
    reason: str
    owners: tuple[str, ...]
    until: float


class _StoredRoom(msgspec.Struct, omit_defaults=True):
    config: RoomConfig
    affiliates: dict[str, Affiliate]
    subject: Subject | None
    creator: str
    #: See `journal`.
    secret: bytes = b""
    version: int = 0
    changes: list[tuple[str, int]] = []
    forgotten: int = 0


_encoder = msgspec.msgpack.Encoder()
_rooms = msgspec.msgpack.Decoder(_StoredRoom)
_lines = msgspec.msgpack.Decoder(list[Line])
entries = msgspec.msgpack.Decoder(Entry)
tombstones = msgspec.msgpack.Decoder(Tombstone)
encode = _encoder.encode


def room_document(room: Room) -> bytes:
    """Write a room down."""
    affiliates = {str(jid): one for jid, one in room.affiliates.items()}
    journal = room.journal
    return encode(
        _StoredRoom(
            room.config,
            affiliates,
            room.subject,
            str(room.creator or ""),
            journal.secret,
            journal.number,
            list(journal.changes.items()),
            journal.forgotten,
        )
    )


def history_document(history: History) -> bytes:
    """Write down what was said."""
    return encode(list(history))


def read_room(jid: JID, limits: RoomLimits, document: bytes, history: bytes | None) -> Room:
    """Read a room back.

    Raises:
        ValueError: The document is damaged (`msgspec.DecodeError` is one).

    """
    stored = _rooms.decode(document)
    room = Room(jid, stored.config, limits)
    for name, one in stored.affiliates.items():
        room.affiliate(JID.parse(name), one)
    room.journal = Journal(stored.secret, stored.version, stored.changes)
    room.journal.forgotten = stored.forgotten
    room.subject = stored.subject
    room.creator = JID.parse(stored.creator) if stored.creator else None
    if history is not None:
        room.history = History(_lines.decode(history))
    return room


def entry_of(room: Room) -> Entry:
    """Return a room's entry in the index."""
    config = room.config
    return Entry(
        config.name,
        config.public,
        str(room.creator or ""),
        config.description,
        config.lang,
        not (config.members_only or config.password),
        config.non_anonymous,
    )
