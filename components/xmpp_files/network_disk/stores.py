"""Who may do what in which store: everybody in their own, and in a room's those who are affiliated with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum

from components.xmpp_files.access import Access
from components.xmpp_files.network_disk.errors import DiskError, Reason


class Right(IntEnum):
    """What somebody may do in a store, in the order of power."""

    NONE = 0
    #: See all, add, and change what is one's own.
    MEMBER = 1
    OWNER = 2


#: Returns what a room gives to a bare JID.
AskRoom = Callable[[str, str], Awaitable[Right]]


class Stores:
    """Looks rights up.

    Args:
        access: Who has a store.
        room_domains: Services whose rooms have stores.
        ask_room: For those.

    """

    def __init__(self, access: Access, room_domains: frozenset[str], ask_room: AskRoom) -> None:
        self._access = access
        self._room_domains = room_domains
        self._ask_room = ask_room

    def is_room(self, jid: str) -> bool:
        """Tell rooms from people."""
        localpart, _, domain = jid.rpartition("@")
        return bool(localpart) and domain in self._room_domains

    def has_own(self, who: str) -> bool:
        """Tell whether somebody has a store."""
        return self._access.allows(who)

    def may_log_in(self, who: str) -> bool:
        """Tell whether there can be any store for somebody; members of rooms may be from elsewhere."""
        return self.has_own(who) or bool(self._room_domains)

    async def right(self, who: str, store: str) -> Right:
        """Return what somebody, by bare JID, may do in a store.

        Raises:
            DiskError: Nothing.

        """
        if who == store and not self.is_room(store):
            right = Right.OWNER if self.has_own(who) else Right.NONE
        elif self.is_room(store):
            right = await self._ask_room(store, who)
        else:
            right = Right.NONE
        if right is Right.NONE:
            raise DiskError(Reason.FORBIDDEN, f"The files of {store} are not for you")
        return right
