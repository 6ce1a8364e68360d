"""A room that is awake."""

from __future__ import annotations

from xmpp_server.jid import JID
from xmpp_server.modules.muc.limits import Bucket
from xmpp_server.modules.muc.room import Room


class OpenRoom:
    """A room in memory, with what is forgotten when it sleeps."""

    __slots__ = ("asked_for_voice", "bucket", "empty_since", "invited", "relayed", "room", "spoke", "whispers")

    def __init__(self, room: Room, bucket: Bucket, now: float) -> None:
        self.room = room
        self.bucket = bucket
        self.empty_since: float | None = now
        #: (who was invited, by whom), for declines.
        self.invited: dict[tuple[JID, JID], None] = {}
        #: When an account last asked for voice.
        self.asked_for_voice: dict[JID, float] = {}
        #: IQs on their way between occupants (`relay`).
        self.relayed: dict[str, tuple[JID, str, JID, JID]] = {}
        #: Private messages lately: (client they went to, occupant they are from, id), for the errors that answer them.
        self.whispers: dict[tuple[JID, JID, str | None], None] = {}
        #: When an account last said something, where that matters (`slow_mode`).
        self.spoke: dict[JID, float] = {}
