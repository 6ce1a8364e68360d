"""The hooks of the chat service: who fires them, when, and with what. Satellites are files that register here."""

from __future__ import annotations

from xmpp_server.core.hooks import Collect, Disco, Filter, Notify
from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Destruction, Effect
from xmpp_server.modules.muc.entering import Entry
from xmpp_server.modules.muc.occupants import Portrait, Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas.forms import Field
from xmpp_server.xml.element import Element
from xmpp_server.xml.stanza import Stanza


class Entering:
    """Somebody wants to enter, by `stanza`; a handler refuses by raising StanzaError, or replaces `entry`."""

    __slots__ = ("entry", "open", "stanza")

    def __init__(self, open_: OpenRoom, entry: Entry, stanza: Stanza) -> None:
        self.open = open_
        self.entry = entry
        self.stanza = stanza


class Admitted:
    """A client is in, and nobody knows yet: what `effects` say is still to be told, and may be changed.

    `request` is the `<x/>` by which it has asked.
    """

    __slots__ = ("effects", "open", "request", "seat", "stanza")

    def __init__(self, open_: OpenRoom, seat: Seat, stanza: Stanza, request: Element, effects: list[Effect]) -> None:
        self.open = open_
        self.seat = seat
        self.stanza = stanza
        self.request = request
        self.effects = effects


class RoomMessage:
    """An occupant's groupchat message, allowed and about to be reflected.

    `extra` are elements, as bytes, to go with it; `keep` tells whether it goes into the history.
    """

    __slots__ = ("extra", "extra_tags", "keep", "open", "seat", "stable_id", "stanza", "subject")

    def __init__(self, open_: OpenRoom, seat: Seat, stanza: Stanza, stable_id: str, keep: bool, subject: bool) -> None:
        self.open = open_
        self.seat = seat
        self.stanza = stanza
        #: The id that the room gives it (XEP-0359).
        self.stable_id = stable_id
        self.keep = keep
        #: Whether it changes the subject.
        self.subject = subject
        self.extra: list[bytes] = []
        self.extra_tags: list[str] = []


class Announced:
    """The room itself says to all what is worth keeping; `request` is what it was told to by a client."""

    __slots__ = ("open", "request", "stable_id", "stanza")

    def __init__(self, open_: OpenRoom, stanza: Stanza, stable_id: str, request: Stanza) -> None:
        self.open = open_
        #: Without `to`; the id that the room gives it is in there (XEP-0359).
        self.stanza = stanza
        self.stable_id = stable_id
        self.request = request


class Direct:
    """A message for the room itself that is no groupchat: an invitation, a form. Who takes it, consumes it."""

    __slots__ = ("open", "seat", "sender", "stanza")

    def __init__(self, open_: OpenRoom, stanza: Stanza, sender: JID, seat: Seat | None) -> None:
        self.open = open_
        self.stanza = stanza
        self.sender = sender
        #: Where the sender sits, or None for somebody from outside.
        self.seat = seat


class Shown:
    """An occupant's presence is about to be written; handlers add elements, as bytes."""

    __slots__ = ("extra", "open", "portrait")

    def __init__(self, open_: OpenRoom, portrait: Portrait) -> None:
        self.open = open_
        self.portrait = portrait
        self.extra: list[bytes] = []


class RoomDisco:
    """Somebody asks a room what it is (disco#info); `fields` are added to `muc#roominfo`."""

    __slots__ = ("disco", "fields", "open")

    def __init__(self, open_: OpenRoom, disco: Disco) -> None:
        self.open = open_
        self.disco = disco
        self.fields: list[Field] = []


class Moved:
    """A client has entered."""

    __slots__ = ("open", "seat")

    def __init__(self, open_: OpenRoom, seat: Seat) -> None:
        self.open = open_
        self.seat = seat


class Left:
    """A client is in a room no more, for whichever reason."""

    __slots__ = ("jid", "open")

    def __init__(self, open_: OpenRoom, jid: JID) -> None:
        self.open = open_
        self.jid = jid


class Destroyed:
    """A room is gone for good."""

    __slots__ = ("destruction", "jid", "room")

    def __init__(self, room: Room, destruction: Destruction | None) -> None:
        self.jid = room.jid
        self.room = room
        self.destruction = destruction


class MucHooks:
    """The hooks of one chat service."""

    def __init__(self) -> None:
        self.founded: Notify[OpenRoom] = Notify()
        """After a room was made, before anybody is in it (`rooms`)."""
        self.entering: Filter[Entering] = Filter()
        """Before the room's own checks (`presences`)."""
        self.admitted: Notify[Admitted] = Notify()
        """After the room's own checks, before anybody is told (`presences`)."""
        self.entered: Notify[Moved] = Notify()
        """After somebody was welcomed (`presences`)."""
        self.left: Notify[Left] = Notify()
        """After a client has gone (`rooms`)."""
        self.service_presence: Notify[Stanza] = Notify()
        """Presence for the service itself has come (`presences`)."""
        self.message: Filter[RoomMessage] = Filter()
        """For each groupchat message, before it is reflected (`messages`); ARCHIVE is where an archive takes it."""
        self.announced: Notify[Announced] = Notify()
        """Before the room itself says what is worth keeping: that something was retracted (`moderation`)."""
        self.direct: Filter[Direct] = Filter()
        """For messages to the room itself (`messages`); what nobody takes is refused."""
        self.bounced: Notify[Direct] = Notify()
        """For errors that come back to the room itself (`messages`)."""
        self.shown: Collect[Shown] = Collect()
        """For each presence that is written (`broadcast`); the result is shared by its receivers."""
        self.room_disco: Collect[RoomDisco] = Collect()
        """For disco#info of a room (`disco`)."""
        self.destroyed: Notify[Destroyed] = Notify()
        """After a room is gone, and what was stored of it (`rooms`)."""
