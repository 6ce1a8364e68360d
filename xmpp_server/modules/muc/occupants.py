"""Who is in a room: nicknames, and the clients behind each (XEP-0045 §7.2.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from xmpp_server.jid import JID
from xmpp_server.modules.muc.roles import Affiliation, Role

if TYPE_CHECKING:
    from xmpp_server.core.session import Session
    from xmpp_server.modules.muc.limits import Bucket


class Payload(NamedTuple):
    """What presence says beside the room's own: the children as XML, and the `xml:lang` attribute, both as bytes."""

    inner: bytes = b""
    lang: bytes = b""


NOTHING = Payload()


class Seat:
    """One client in the room. `payload` is what its presence says, as XML that the room does not look at."""

    __slots__ = ("bucket", "jid", "occupant", "payload", "session")

    def __init__(self, jid: JID, occupant: Occupant, payload: Payload) -> None:
        self.jid = jid
        self.occupant = occupant
        self.payload = payload
        #: The client's session, where it is one of this process: the room writes to it without detours.
        self.session: Session | None = None
        self.bucket: Bucket | None = None

    def __repr__(self) -> str:
        return f"<Seat {self.jid}>"


class Portrait:
    """An occupant as others see it at one moment. `rendered` is for whoever writes it as XML."""

    __slots__ = ("affiliation", "available", "jid", "nick", "occupant", "payload", "real", "rendered", "role")

    def __init__(self, occupant: Occupant, real: JID, payload: Payload, *, available: bool = True) -> None:
        self.occupant = occupant
        self.nick = occupant.nick
        self.jid = occupant.jid
        #: The full JID behind the nickname, for those who may know it.
        self.real = real
        self.affiliation = occupant.affiliation
        self.role = occupant.role if available else Role.NONE
        self.payload = payload
        self.available = available
        self.rendered: dict[bool, object] = {}


class Occupant:
    """One nickname. Several clients of one account may bear it; the one that spoke last stands for it."""

    __slots__ = ("_portrait", "affiliation", "bare", "id", "jid", "main", "nick", "role", "seats", "visible")

    def __init__(self, room: JID, nick: str, bare: JID, affiliation: Affiliation, role: Role, ident: str) -> None:
        self.bare = bare
        self.affiliation = affiliation
        self.role = role
        #: The same for all visits of an account, and telling nothing of it (XEP-0421).
        self.id = ident
        self.seats: dict[JID, Seat] = {}
        self.main: Seat
        #: Whether others know that it is there (`muc#roomconfig_presencebroadcast`).
        self.visible = True
        self._portrait: Portrait | None = None
        self.rename(room, nick)

    def rename(self, room: JID, nick: str) -> None:
        """Take another nickname."""
        self.nick = nick
        self.jid = room.with_resource(nick)
        self._portrait = None

    def touch(self) -> None:
        """Forget the portrait: something in it has changed."""
        self._portrait = None

    def portrait(self) -> Portrait:
        """Return the occupant as it looks now."""
        if self._portrait is None:
            self._portrait = Portrait(self, self.main.jid, self.main.payload)
        return self._portrait

    def __repr__(self) -> str:
        return f"<Occupant {self.nick!r} {self.affiliation.text} {self.role.text}>"


class Occupants:
    """All that are in one room, by nickname and by client, in the order in which they came."""

    def __init__(self) -> None:
        self.by_nick: dict[str, Occupant] = {}
        #: By full JID.
        self.seats: dict[JID, Seat] = {}

    def __iter__(self) -> Iterator[Occupant]:
        return iter(self.by_nick.values())

    def __len__(self) -> int:
        return len(self.by_nick)

    def of(self, bare: JID) -> list[Occupant]:
        """Return the occupants whose account is `bare`."""
        return [occupant for occupant in self.by_nick.values() if occupant.bare == bare]

    def moderators(self) -> list[Occupant]:
        """Return those who moderate."""
        return [occupant for occupant in self.by_nick.values() if occupant.role is Role.MODERATOR]

    def add(self, key: str, occupant: Occupant, seat: Seat) -> None:
        """Let a client in, under a nickname whose key is `key`."""
        self.by_nick[key] = occupant
        occupant.seats[seat.jid] = seat
        occupant.main = seat
        occupant.touch()
        self.seats[seat.jid] = seat

    def drop_seat(self, seat: Seat) -> bool:
        """Let one client go; false if the nickname stays because of others."""
        occupant = seat.occupant
        del self.seats[seat.jid]
        del occupant.seats[seat.jid]
        if not occupant.seats:
            return True
        if occupant.main is seat:
            occupant.main = next(reversed(occupant.seats.values()))
        occupant.touch()
        return False

    def drop(self, key: str) -> Occupant:
        """Let a nickname go, with all its clients."""
        occupant = self.by_nick.pop(key)
        for jid in occupant.seats:
            self.seats.pop(jid, None)
        return occupant
