"""XEP-0045 and XEP-0410: the rooms that the bot is in, who is there, and coming back when it is no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypedDict

import slixmpp
import structlog
from slixmpp.exceptions import PresenceError
from slixmpp.plugins.xep_0410 import PingStatus

from xmpp_bot.config import Config, RoomConfig
from xmpp_bot.messages import Join
from xmpp_bot.store import Store

JOIN_TIMEOUT_S = 30.0
#: Until the next try to get into a room that did not let the bot in, or has put it out.
AGAIN_S = 60.0
SELF_PING_S = 300
#: The last message of a room is noted not more often than so.
NOTE_S = 5.0
#: Clocks differ; what comes twice for that is known.
SLACK = timedelta(seconds=60)

BANNED, RENAMED = 301, 303
USER = "{http://jabber.org/protocol/muc#user}"
OCCUPANT_ID = "{urn:xmpp:occupant-id:0}occupant-id"

_NEVER = datetime.fromtimestamp(0, UTC)

_log = structlog.get_logger("xmpp_bot")


class Occupant(NamedTuple):
    """Somebody in a room."""

    user: str
    """The bare JID, empty where the room hides it."""
    affiliation: str
    ident: str
    """What stays the same over nicks and comings (XEP-0421), empty without."""


class PingChange(TypedDict):
    """slixmpp's event."""

    key: tuple[slixmpp.JID, slixmpp.JID]
    previous: PingStatus
    result: PingStatus


class Rooms:
    """The rooms of the configuration."""

    def __init__(self, client: slixmpp.ClientXMPP, config: Config, store: Store) -> None:
        self._client = client
        self._config = config
        self._seen = store.shelf("seen")
        self._noted: dict[str, float] = {}
        self._occupants: dict[str, dict[str, Occupant]] = {room.jid: {} for room in config.rooms}
        self._nicks: dict[str, str] = {}
        self._on_join: Callable[[Join], None] = lambda join: None
        self._on_return: Callable[[str, datetime], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.joined: set[str] = set()
        client.add_event_handler("groupchat_presence", self._on_presence)
        client.add_event_handler("muc_ping_changed", self._on_ping)
        client.add_event_handler("session_end", lambda _: self.joined.clear())

    def on_join(self, tell: Callable[[Join], None]) -> None:
        """Set who is told of those who come."""
        self._on_join = tell

    def on_return(self, tell: Callable[[str, datetime], Awaitable[None]]) -> None:
        """Set who is told of a room that the bot is in again, and since when it has missed something there."""
        self._on_return = tell

    def knows(self, room: str) -> bool:
        """Tell whether an address is a room of the bot."""
        return room in self._occupants

    def nick(self, room: str) -> str:
        """The bot's nick in a room."""
        return self._nicks.get(room) or self._config.nick_in(room)

    def nicks(self, room: str) -> list[str]:
        """Nicks of those in a room."""
        return sorted(self._occupants.get(room, ()))

    def occupant(self, room: str, nick: str) -> Occupant | None:
        """Return who has a nick."""
        return self._occupants.get(room, {}).get(nick)

    def saw(self, place: str, stamp: datetime | None) -> None:
        """Note that a message of a room (or of the account: "") came, so as to know later what was missed.

        Whoever writes can stamp a message: nothing is from the future, and nothing leads back.
        """
        now = datetime.now(UTC)
        moment = min(stamp or now, now)
        if place not in self._noted:
            self._noted[place] = self._last(place).timestamp()
        if moment.timestamp() - self._noted[place] >= NOTE_S:
            self._noted[place] = moment.timestamp()
            self._seen.set(place, moment.isoformat())

    def seen(self, place: str) -> datetime | None:
        """Tell since when messages may have been missed; None if the bot was never there."""
        return self._last(place) - SLACK if self._seen.get(place, "") else None

    def _last(self, place: str) -> datetime:
        text = self._seen.get(place, "")
        return min(datetime.fromisoformat(text), datetime.now(UTC)) if text else _NEVER

    async def join_all(self) -> None:
        """Go into all rooms; those that do not let the bot in are tried again."""
        self.joined.clear()
        await asyncio.gather(*(self._join(room) for room in self._config.rooms))

    def leave_all(self) -> None:
        """Go out."""
        for room in self.joined:
            self._client.send_presence(pto=f"{room}/{self.nick(room)}", ptype="unavailable")

    async def _join(self, room: RoomConfig) -> None:
        jid = slixmpp.JID(room.jid)
        since = self.seen(room.jid)
        self._occupants[room.jid] = {}
        self._nicks[room.jid] = self._config.nick_in(room.jid)
        try:
            presence, *_ = await self._client.plugin["xep_0045"].join_muc_wait(
                jid,
                self._nicks[room.jid],
                password=room.password or None,
                maxstanzas=None if since else 0,
                since=since,
                timeout=JOIN_TIMEOUT_S,
            )
        except PresenceError as error:
            _log.warning("not_let_in", room=room.jid, condition=error.condition)
            self._again(room.jid)
            return
        except TimeoutError:
            _log.warning("not_let_in", room=room.jid, condition="timeout")
            self._again(room.jid)
            return
        self._nicks[room.jid] = presence["from"].resource
        self.joined.add(room.jid)
        if since is None:
            self.saw(room.jid, None)
        self._client.plugin["xep_0410"].enable_self_ping(presence["from"], interval=SELF_PING_S)
        if since is not None and self._on_return is not None:
            await self._on_return(room.jid, since)

    def _again(self, room: str) -> None:
        task = asyncio.get_running_loop().create_task(self._join_later(room))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join_later(self, room: str) -> None:
        await asyncio.sleep(AGAIN_S)
        if room not in self.joined and self._client.is_connected():
            await self._join(next(one for one in self._config.rooms if one.jid == room))

    def _on_presence(self, presence: slixmpp.Presence) -> None:
        room, nick = presence["from"].bare, presence["from"].resource
        there = self._occupants.get(room)
        if there is None or presence["type"] == "error":
            return
        item = presence.xml.find(f"{USER}x/{USER}item")
        if presence["type"] == "unavailable":
            self._on_departure(room, nick, presence)
            return
        user = "" if item is None else item.get("jid", "").partition("/")[0]
        affiliation = "none" if item is None else item.get("affiliation", "none")
        new = nick not in there
        there[nick] = Occupant(user, affiliation, occupant_id(presence))
        if new and room in self.joined and nick != self.nick(room):
            self._on_join(Join(room=room, nick=nick, user=user or f"{room}/{nick}", affiliation=affiliation))

    def _on_departure(self, room: str, nick: str, presence: slixmpp.Presence) -> None:
        """Somebody goes, or has another nick now (XEP-0045 §7.6), under which they have not come."""
        there = self._occupants[room]
        occupant = there.pop(nick, None)
        codes = {one.get("code") for one in presence.xml.iter(f"{USER}status")}
        item = presence.xml.find(f"{USER}x/{USER}item")
        if str(RENAMED) in codes and item is not None and (new := item.get("nick")):
            if occupant is not None:
                there[new] = occupant
            if nick == self.nick(room):
                self._nicks[room] = new
        elif nick == self.nick(room) and room in self.joined:
            self._on_removal(room, {int(code) for code in codes if code and code.isdecimal()})

    def _on_removal(self, room: str, codes: set[int]) -> None:
        """The bot was put out, or the room has ended: it comes back, unless it was banned."""
        self.joined.discard(room)
        _log.warning("out_of_room", room=room, codes=sorted(codes))
        if BANNED not in codes:
            self._again(room)

    def _on_ping(self, change: PingChange) -> None:
        """XEP-0410 §3: a ping through the room tells that it has forgotten the bot."""
        room = change["key"][0].bare
        if change["result"] is PingStatus.DISCONNECTED and room in self.joined:
            _log.warning("forgotten_by_room", room=room)
            self.joined.discard(room)
            self._again(room)


def occupant_id(stanza: slixmpp.Message | slixmpp.Presence) -> str:
    """Return the id that the room has given to who sends a stanza (XEP-0421), empty without."""
    found = stanza.xml.find(OCCUPANT_ID)
    return "" if found is None else found.get("id", "")
