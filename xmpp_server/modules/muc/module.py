"""XEP-0045: the chat service of a host, put together from its parts."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Literal

import msgspec

from xmpp_server.core.host import Host
from xmpp_server.core.iq import IqRequest, Reply
from xmpp_server.core.module import Module, Xep
from xmpp_server.core.service import Service
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.presence import Presence
from xmpp_server.jid import JID
from xmpp_server.modules.muc.broadcast import Broadcast
from xmpp_server.modules.muc.effects import Effect
from xmpp_server.modules.muc.form import SETTINGS, Setting
from xmpp_server.modules.muc.ghosts import Ghosts
from xmpp_server.modules.muc.hooks import MucHooks
from xmpp_server.modules.muc.limits import Bucket
from xmpp_server.modules.muc.occupants import Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.operations import Operations
from xmpp_server.modules.muc.room import RoomLimits
from xmpp_server.modules.muc.rooms import Rooms
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.xml.element import Element


class MucConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[modules.muc]`. Rates are a second, and 0 for no limit; sizes are in bytes, times in seconds."""

    #: `{domain}` stands for each served domain.
    domain: str = "conference.{domain}"
    name: str = "Chat rooms"
    #: Who may make rooms: everybody, the accounts of this server, or its admins.
    create: Literal["everybody", "local", "admins"] = "everybody"
    #: The admins of the server own all rooms.
    admins_own_rooms: bool = True
    rooms_per_account: int = 200
    #: That all the people of one other server have made.
    rooms_per_server: int = 2000
    occupants: int = 5000
    presence_occupants: int = 1000
    affiliations: int = 10_000
    nick_chars: int = 100
    message_bytes: int = 65_536
    presence_bytes: int = 8192
    #: The card of a room, with its avatar.
    card_bytes: int = 131_072
    messages_per_occupant_s: float = 200.0
    messages_per_room_s: float = 2000.0
    #: How often an account enters one room, and how many it invites.
    entries_per_minute: int = 120
    invitations_per_minute: int = 30
    #: How long a token that invites is valid at most.
    token_s: float = 2_678_400.0
    #: How long a new room waits for its configuration.
    locked_s: float = 600.0
    #: How long an empty room stays in memory.
    idle_s: float = 120.0
    #: How long the name of a destroyed room stays taken.
    tombstone_s: float = 2_678_400.0


class Muc(Module):
    """The rooms of one host. Its parts take what comes in, one each; satellites use `hooks` and `settings`."""

    name = "muc"
    xeps = (
        Xep(45, "1.35.5"),
        Xep(249, "1.2", "passed on as any message"),
        Xep(317, "0.3.1"),
        Xep(410, "1.1.0"),
        Xep(421, "1.0.1"),
        Xep(424, "0.4.2", "tombstones in the history of rooms, and in archives"),
        Xep(425, "0.3.0", "and 0.2 for old clients"),
        Xep(433, "0.1.0", "and in the namespace of muclumbus; the rooms of this service"),
        Xep(437, "0.2.0", "of rooms in which somebody is a member; what was before the start is forgotten"),
        Xep(452, "0.2.2"),
        Xep(463, "0.2.0"),
        Xep(486, "0.1.0", "and presence of the room as in XEP-0153"),
        Xep(488, "0.1.0"),
        Xep(500, "0.1.1"),
    )
    needs = (Presence,)
    Config = MucConfig
    config: MucConfig
    parts: ClassVar[tuple[Callable[[Muc], object], ...]]
    """What the service is made of: each takes the module, and registers itself (see the package's `__init__`)."""

    def register(self, host: Host) -> None:
        """Open the service."""
        config = self.config
        self.host = host
        self.hooks = MucHooks()
        self.service = Service(host, config.domain.replace("{domain}", host.name), config.name)
        self.broadcast = Broadcast(self.service, self.hooks)
        limits = RoomLimits(
            occupants=config.occupants,
            presence_occupants=config.presence_occupants,
            affiliations=config.affiliations,
            nick_chars=config.nick_chars,
            superiors=host.admins if config.admins_own_rooms else frozenset(),
        )
        self.rooms = Rooms(
            self.service,
            self.hooks,
            self.broadcast,
            limits,
            idle_s=config.idle_s,
            tombstone_s=config.tombstone_s,
            rate=config.messages_per_room_s,
        )
        self.ghosts = Ghosts(self)
        self.operations = Operations(self)
        #: The fields of the configuration form; satellites add theirs.
        self.settings: list[Setting] = list(SETTINGS)
        #: What a new room is like.
        self.defaults = RoomConfig()
        for part in self.parts:
            part(self)

    # For the parts.

    def occupant_id(self, room: JID, bare: JID) -> str:
        """Return what a room calls an account (XEP-0421 §4.1); `rooms` are ready."""
        text = f"{room}\0{bare}".encode()
        return hmac.new(self.rooms.secret, text, hashlib.sha256).hexdigest()[:40]

    def ask(self, request: IqRequest, handler: Callable[[OpenRoom, IqRequest], Reply]) -> Reply:
        """Let `handler` answer a request for a room.

        Raises:
            StanzaError: item-not-found; there is no such room.

        """
        assert request.to.localpart is not None  # noqa: S101 - `To.ACCOUNT`
        open_ = self.rooms.get(request.to.localpart)
        if open_ is not None:
            return handler(open_, request)
        return self._ask_later(request, handler)

    async def _ask_later(self, request: IqRequest, handler: Callable[[OpenRoom, IqRequest], Reply]) -> Element | None:
        open_ = await self.rooms.load(request.to.localpart or "")
        if open_ is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "There is no such room")
        reply = handler(open_, request)
        return reply if reply is None or isinstance(reply, Element) else await reply

    def seat(self, seat: Seat) -> None:
        """Connect a new seat with its client's session, if that is here, and give it its rate."""
        seat.session = self.service.find_session(seat.jid)
        rate = self.config.messages_per_occupant_s
        seat.bucket = Bucket(rate, 2 * rate, self.host.now())

    def emit(self, open_: OpenRoom, effects: Sequence[Effect]) -> Awaitable[None] | None:
        """Let effects happen; see `Rooms.emit`."""
        return self.rooms.emit(open_, effects)

    def committed(self, open_: OpenRoom, effects: Sequence[Effect]) -> Reply:
        """Let effects happen, and answer an IQ with an empty result once they are stored."""
        commit = self.rooms.emit(open_, effects)
        return None if commit is None else _empty(commit)


async def _empty(commit: Awaitable[None]) -> Element | None:
    await commit
    return None
