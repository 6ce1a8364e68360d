"""What bots get and send: values without XML, which the engine, the client and the tests share."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

import msgspec

#: Characters of a text at most: escaped, it still is a stanza that servers take.
TEXT_LIMIT = 30_000
#: XML 1.0 §2.2: what no stanza can carry.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Kind(StrEnum):
    """The kind of a conversation: with one, or in a room."""

    CHAT = "chat"
    GROUPCHAT = "groupchat"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the bot got."""

    sender: str
    """The full JID; of a room's occupant it is the room's with the nick."""
    user: str
    """Who it is: the bare JID, or the occupant's address where the room hides it."""
    text: str
    kind: Kind = Kind.CHAT
    id: str = ""
    stanza_id: str = ""
    """The id by the room or the bot's account (XEP-0359), empty without."""
    room: str = ""
    """The room, also for private messages of its occupants; else empty."""
    nick: str = ""
    affiliation: str = "none"
    stamp: datetime | None = None
    """When it was sent, of one that comes late (XEP-0203)."""

    @property
    def conversation(self) -> str:
        """Where answers go to."""
        return self.room if self.kind is Kind.GROUPCHAT else self.sender

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells it from all others, the best first: an archive's id, and the sender's, which may come again."""
        by_archive = f"{self.room or 'account'} {self.stanza_id}" if self.stanza_id else ""
        by_sender = f"{self.sender} {self.id}" if self.id else ""
        return tuple(filter(None, (by_archive, by_sender)))


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """The reactions of somebody to a message, all that hold now (XEP-0444)."""

    source: Message
    """Who reacts and where; its text is empty."""
    target: str
    """The id of the message reacted to."""
    emojis: tuple[str, ...]


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody came into a room after the bot."""

    room: str
    nick: str
    user: str
    affiliation: str = "none"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be sent; which parts it has tells what it is."""

    to: str
    id: str
    kind: Kind = Kind.CHAT
    text: str = ""
    replaces: str = ""
    """The id of the message that it corrects (XEP-0308)."""
    reacts_to: str = ""
    reactions: tuple[str, ...] = ()
    url: str = ""
    """Of a file that is sent (XEP-0066)."""
    state: str = ""
    """A chat state alone (XEP-0085): "composing" or "active"."""


def sendable(text: str) -> str:
    """Return a text as it can be sent: a character that XML forbids would end the stream, and so would length."""
    text = _FORBIDDEN.sub("\ufffd", text)
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"
