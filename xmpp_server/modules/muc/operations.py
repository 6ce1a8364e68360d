"""What operators do to rooms, from the command line or by ad-hoc commands: list, look, create, destroy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc import entering, visiting
from xmpp_server.modules.muc.configuring import configure
from xmpp_server.modules.muc.effects import Destruction
from xmpp_server.modules.muc.form import features
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.roles import Affiliation

if TYPE_CHECKING:
    from xmpp_server.modules.muc.module import Muc

Facts = Mapping[str, object]


class Operations:
    """Works on rooms in memory and in storage."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._rooms = muc.rooms

    def owns(self, jid: JID) -> bool:
        """Tell whether an address is one of a room here, whether or not there is such a room."""
        return jid.domainpart == self._muc.service.jid.domainpart and jid.localpart is not None and jid.is_bare

    async def rooms(self) -> list[Facts]:
        """Return all rooms in the order of their addresses, public or not."""
        await self._rooms.ready()
        facts: dict[str, Facts] = {}
        for jid, entry in self._rooms.entries():
            facts[str(jid)] = _line(jid, entry.name, entry.public, True, 0, entry.creator)
        for open_ in self._rooms.open_rooms():
            room, config = open_.room, open_.room.config
            facts[str(room.jid)] = _line(
                room.jid, config.name, config.public, config.persistent, len(room.occupants), str(room.creator or "")
            )
        return [facts[name] for name in sorted(facts)]

    async def describe(self, jid: JID) -> Facts:
        """Return what there is to tell of a room.

        Raises:
            StanzaError: item-not-found.

        """
        room = (await self._found(jid)).room
        config = room.config
        lists = {
            f"{affiliation.text}s": sorted(map(str, room.affiliated(affiliation)))
            for affiliation in (Affiliation.OWNER, Affiliation.ADMIN, Affiliation.MEMBER, Affiliation.OUTCAST)
        }
        return {
            "jid": str(jid),
            "name": config.name,
            "description": config.description,
            "subject": "" if room.subject is None else room.subject.text,
            "created_by": str(room.creator or ""),
            "features": sorted(features(config, self._muc.settings)),
            **lists,
            "occupants": [f"{occupant.nick} ({occupant.bare})" for occupant in room.occupants],
            "history": len(room.history),
        }

    async def create(self, jid: JID, owner: JID, name: str = "") -> None:
        """Make a room that stays, for its owner.

        Raises:
            StanzaError: conflict; there is one already.

        """
        if await self._rooms.load(jid.localpart or "") is not None:
            raise StanzaError(Condition.CONFLICT, f"{jid} exists already")
        open_ = self._rooms.create(jid, self._muc.defaults, owner.bare)
        entering.found(open_.room, owner)
        config = msgspec.structs.replace(open_.room.config, persistent=True, name=name)
        commit = self._muc.emit(open_, configure(open_.room, config, owner))
        if commit is not None:
            await commit

    async def destroy(self, jid: JID, reason: str = "", venue: JID | None = None) -> None:
        """End a room.

        Raises:
            StanzaError: item-not-found.

        """
        open_ = await self._found(jid)
        commit = self._muc.emit(open_, visiting.destroy(open_.room, Destruction(venue, reason)))
        if commit is not None:
            await commit

    async def _found(self, jid: JID) -> OpenRoom:
        open_ = await self._rooms.load(jid.localpart or "")
        if open_ is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, f"There is no room {jid}")
        return open_


def _line(jid: JID, name: str, public: bool, persistent: bool, occupants: int, creator: str) -> Facts:
    return {
        "jid": str(jid),
        "name": name,
        "occupants": occupants,
        "public": public,
        "persistent": persistent,
        "created_by": creator,
    }
