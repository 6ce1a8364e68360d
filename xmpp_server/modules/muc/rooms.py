"""All rooms of a service: those in memory, those that sleep in storage, and those that are gone."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.core.service import Service
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc import keeping
from xmpp_server.modules.muc.broadcast import Broadcast
from xmpp_server.modules.muc.effects import Changed, Destruction, Effect, Gone, Show
from xmpp_server.modules.muc.hooks import Destroyed, Left, MucHooks
from xmpp_server.modules.muc.keeping import HISTORY, INDEX, ROOM, SECRET, TOMBSTONES, Entry, Tombstone
from xmpp_server.modules.muc.limits import Bucket
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.room import Room, RoomLimits
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.storage.api import Commit

log = structlog.get_logger()

#: Names that stay taken after their rooms were destroyed; of more the oldest are free again.
GRAVES = 10_000
#: How often histories are written down, and empty rooms put to sleep, in seconds.
SAVE_EVERY_S = 10.0


class Rooms:
    """Finds, makes, keeps and ends rooms. `rate` is how many messages a second a room takes."""

    def __init__(
        self,
        service: Service,
        hooks: MucHooks,
        broadcast: Broadcast,
        limits: RoomLimits,
        *,
        idle_s: float,
        tombstone_s: float,
        rate: float,
    ) -> None:
        self._service = service
        self._hooks = hooks
        self._broadcast = broadcast
        self._limits = limits
        self._idle_s = idle_s
        self._tombstone_s = tombstone_s
        self._rate = rate
        self._host = service.host
        self._documents = service.host.storage.documents
        self._open: dict[str, OpenRoom] = {}
        #: Rooms that were not, or could not be, written down; it is done with each sweep.
        self._unwritten: set[str] = set()
        #: Stored rooms, by localpart; None until read.
        self._index: dict[str, Entry] | None = None
        self._tombstones: dict[str, Tombstone] = {}
        self._creators: Counter[JID] = Counter()
        self._sweeping = False
        #: The service's key for occupant ids (XEP-0421 §4.1).
        self.secret = b""

    # Finding.

    def with_room(self, localpart: str, then: Callable[[OpenRoom | None], Wait]) -> Wait:
        """Go on with a room: at once if it is in memory, or certainly nowhere."""
        found = self._open.get(localpart)
        if found is None and (self._index is None or localpart in self._index):
            return self._load_then(localpart, then)
        return then(found)

    def get(self, localpart: str | None) -> OpenRoom | None:
        """Return a room that is in memory."""
        return self._open.get(localpart or "")

    async def _load_then(self, localpart: str, then: Callable[[OpenRoom | None], Wait]) -> None:
        wait = then(await self.load(localpart))
        if wait is not None:
            await wait

    async def load(self, localpart: str) -> OpenRoom | None:
        """Return a room, from storage if need be."""
        await self.ready()
        assert self._index is not None  # noqa: S101 - `ready` has read it
        if localpart in self._open or localpart not in self._index:
            return self._open.get(localpart)
        jid = JID.of(localpart, self._service.jid.domainpart)
        document = await self._documents.get(jid, ROOM, "")
        history = await self._documents.get(jid, HISTORY, "")
        if localpart in self._open or localpart not in self._index or document is None:
            return self._open.get(localpart)  # somebody was faster
        try:
            room = keeping.read_room(jid, self._limits, document, history)
        except ValueError as error:
            log.error("room-unreadable", room=str(jid), error=str(error))
            raise StanzaError(Condition.INTERNAL_SERVER_ERROR) from None
        return self._opened(localpart, room)

    async def ready(self) -> None:
        """Read the list of rooms, once; 10,000 of them are some hundred kilobytes in one read."""
        if self._index is not None:
            return
        service = self._service.jid
        index = await self._documents.all(service, INDEX)
        graves = await self._documents.all(service, TOMBSTONES)
        secret = await self._documents.get(service, SECRET, "")
        if self._index is not None:
            return
        self._index = {name: keeping.entries.decode(data) for name, data in index.items()}
        self._tombstones = {name: keeping.tombstones.decode(data) for name, data in graves.items()}
        for entry in self._index.values():
            if entry.creator:
                self._count(JID.parse(entry.creator), 1)
        if secret is None:
            secret = secrets.token_bytes(32)
            self._documents.put(service, SECRET, "", secret)
        self.secret = secret

    @property
    def is_ready(self) -> bool:
        """Whether the list of rooms was read."""
        return self._index is not None

    def open_rooms(self) -> list[OpenRoom]:
        """Return the rooms in memory."""
        return list(self._open.values())

    def stored(self) -> list[JID]:
        """Return the addresses of all stored rooms; they are `ready`."""
        return [JID.of(localpart, self._service.jid.domainpart) for localpart in self._index or ()]

    def entries(self) -> list[tuple[JID, Entry]]:
        """Return address and entry of all stored rooms; they are `ready`."""
        domain = self._service.jid.domainpart
        return [(JID.of(localpart, domain), entry) for localpart, entry in (self._index or {}).items()]

    def public(self) -> list[tuple[JID, str]]:
        """Return address and name of all rooms that strangers may find, in the order of their addresses."""
        names = {localpart: entry.name for localpart, entry in (self._index or {}).items() if entry.public}
        for localpart, one in self._open.items():
            if one.room.config.public and not one.room.locked:
                names[localpart] = one.room.config.name
            else:
                names.pop(localpart, None)
        domain = self._service.jid.domainpart
        return [(JID.of(localpart, domain), names[localpart]) for localpart in sorted(names)]

    # Making and ending.

    def owned_by(self, creator: JID) -> int:
        """Return how many rooms an account, or all of a domain, have made that are still there."""
        return self._creators[creator]

    def _count(self, creator: JID, change: int) -> None:
        for who in {creator, JID.parse(creator.domainpart)}:
            self._creators[who] += change
            if not self._creators[who]:
                del self._creators[who]

    def tombstone(self, localpart: str) -> Tombstone | None:
        """Return what is left of a room that was destroyed, for its time."""
        grave = self._tombstones.get(localpart)
        if grave is not None and grave.until < self._host.utcnow().timestamp():
            self._unbury(localpart)
            return None
        return grave

    def create(self, jid: JID, config: RoomConfig, creator: JID) -> OpenRoom:
        """Make a room, in memory; it is stored when its configuration says so."""
        self._count(creator, 1)
        room = Room(jid, config, self._limits)
        self._unbury(room.localpart)
        open_ = self._opened(room.localpart, room)
        self._hooks.founded.fire(open_)
        return open_

    def _opened(self, localpart: str, room: Room) -> OpenRoom:
        now = self._host.now()
        if not room.journal.secret:
            room.journal.secret = secrets.token_bytes(16)
        found = self._open[localpart] = OpenRoom(room, Bucket(self._rate, 2 * self._rate, now), now)
        if not self._sweeping:
            self._sweeping = True
            self._host.runtime.schedule(SAVE_EVERY_S, self._sweep)
        return found

    def emit(self, open_: OpenRoom, effects: Sequence[Effect]) -> Awaitable[None] | None:
        """Let effects happen; the result is done when what has changed is committed."""
        commit: Commit | None = None
        for effect in effects:
            if isinstance(effect, Changed):
                commit = self._save(open_.room)
            elif isinstance(effect, Gone):
                commit = self._end(open_, effect.destruction) or commit
            else:
                self._broadcast.tell(open_, effect)
                if isinstance(effect, Show) and not effect.portrait.available:
                    self._note_left(open_, effect)
        if not open_.room.occupants.seats:
            self._emptied(open_)
        elif open_.empty_since is not None:
            open_.empty_since = None
        return commit

    def _note_left(self, open_: OpenRoom, show: Show) -> None:
        """Unavailable presence is also what the old nickname gets, and who is not shown any more."""
        jid = show.portrait.real
        if jid not in open_.room.occupants.seats:
            self._hooks.left.fire(Left(open_, jid))

    def _emptied(self, open_: OpenRoom) -> None:
        if open_.empty_since is None:
            open_.empty_since = self._host.now()
        if open_.room.localpart in self._unwritten:
            self._save(open_.room)
        self._save_history(open_.room)

    # Keeping.

    def _save(self, room: Room) -> Commit | None:
        """Write a room down, or what is stored of it away."""
        assert self._index is not None  # noqa: S101 - `ready` has read it
        localpart = room.localpart
        if room.config.persistent and not room.locked:
            entry = keeping.entry_of(room)
            again = localpart in self._unwritten
            self._unwritten.discard(localpart)
            if again or self._index.get(localpart) != entry:
                self._index[localpart] = entry
                self._watch(localpart, self._documents.put(self._service.jid, INDEX, localpart, keeping.encode(entry)))
            return self._watch(localpart, self._documents.put(room.jid, ROOM, "", keeping.room_document(room)))
        return self._forget(room) if localpart in self._index else None

    def _watch(self, localpart: str, commit: Commit) -> Commit:
        """Remember a room whose document could not be written: what is in memory holds, and must not be forgotten."""

        def written(done: Commit) -> None:
            if done.exception() is not None:
                self._unwritten.add(localpart)

        commit.add_done_callback(written)
        return commit

    def _write_again(self) -> None:
        for localpart in tuple(self._unwritten):
            open_ = self._open.get(localpart)
            if open_ is None:
                self._unwritten.discard(localpart)
            else:
                self._save(open_.room)

    def save_soon(self, room: Room) -> None:
        """Write a room down with the next sweep: all of it, for a subject, would be much at the rate of messages."""
        if room.config.persistent and not room.locked:
            self._unwritten.add(room.localpart)

    def _forget(self, room: Room) -> Commit:
        if self._index is not None:
            self._index.pop(room.localpart, None)
        self._documents.remove(self._service.jid, INDEX, room.localpart)
        self._documents.remove(room.jid, HISTORY, "")
        return self._documents.remove(room.jid, ROOM, "")

    def _save_history(self, room: Room) -> None:
        if room.history.unsaved:
            room.history.unsaved = False
            if room.config.persistent and not room.locked:
                self._documents.put(room.jid, HISTORY, "", keeping.history_document(room.history))

    def save_histories(self) -> None:
        """Write down what was said, in all rooms."""
        self._write_again()
        for one in self._open.values():
            self._save_history(one.room)

    def _end(self, open_: OpenRoom, destruction: Destruction | None) -> Commit | None:
        room = open_.room
        if self._open.pop(room.localpart, None) is None:
            return None
        if room.creator is not None:
            self._count(room.creator, -1)
        room.history.unsaved = False
        self._unwritten.discard(room.localpart)
        commit = None
        if self._index is not None and room.localpart in self._index:
            commit = self._forget(room)
            if destruction is not None:
                self._bury(room, destruction)
        self._hooks.destroyed.fire(Destroyed(room, destruction))
        return commit

    def _bury(self, room: Room, destruction: Destruction) -> None:
        if not self._tombstone_s:
            return
        until = self._host.utcnow().timestamp() + self._tombstone_s
        owners = tuple(str(owner) for owner in room.owners())
        grave = Tombstone(str(destruction.venue or ""), destruction.reason, owners, until)
        self._tombstones[room.localpart] = grave
        self._documents.put(self._service.jid, TOMBSTONES, room.localpart, keeping.encode(grave))
        if len(self._tombstones) > GRAVES:
            self._unbury(min(self._tombstones, key=lambda name: self._tombstones[name].until))

    def _unbury(self, localpart: str) -> None:
        if self._tombstones.pop(localpart, None) is not None:
            self._documents.remove(self._service.jid, TOMBSTONES, localpart)

    def _sweep(self) -> None:
        """Write histories down, and let rooms sleep in which nobody is."""
        now = self._host.now()
        self.save_histories()
        for localpart, one in list(self._open.items()):
            empty = None if localpart in self._unwritten else one.empty_since
            if empty is not None and not one.room.occupants.seats and now - empty >= self._idle_s:
                del self._open[localpart]
        if self._open:
            self._host.runtime.schedule(SAVE_EVERY_S, self._sweep)
        else:
            self._sweeping = False
