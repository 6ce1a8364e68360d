"""What a room says of somebody's affiliation: XEP-0045 §9.5, §9.8, §10.5, asked by the component itself.

A room tells its lists to its admins; Prosody's tell the one of owners only to owners. Whoever wants files for a room
makes the component one of these: that is the consent.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol
from xml.etree import ElementTree as ET

import structlog
from slixmpp import JID, Iq
from slixmpp.exceptions import IqError, IqTimeout

from components.xmpp_component.link import Link
from components.xmpp_files.network_disk.addresses import bare_jid
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.stores import Right

log = structlog.get_logger(__name__)

_NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS_ADMIN = "http://jabber.org/protocol/muc#admin"
#: How long it takes until a change of affiliations counts here.
KEEP_S = 20.0
_ROOMS = 1000
_TIMEOUT_S = 10
_LISTS = {"owner": Right.OWNER, "admin": Right.OWNER, "member": Right.MEMBER}
_DESTROYED = frozenset({"gone", "item-not-found"})

#: The affiliated of a room by bare JID; None if the room does not tell, or there is none.
Affiliates = Mapping[str, Right]


class RoomError(Exception):
    """A room does not tell; `is_destroyed` if there is no such room any more."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.is_destroyed = condition in _DESTROYED


class Asker(Protocol):
    """Asks a room for one list."""

    async def __call__(self, room: str, affiliation: str) -> list[str]:
        """Return the bare JIDs.

        Raises:
            RoomError: The room does not tell.

        """


class Rooms:
    """Remembers for some seconds what rooms have told."""

    def __init__(self, ask: Asker, own_domain: str, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._own_domain = own_domain
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Affiliates | None]] = OrderedDict()

    async def right(self, room: str, who: str) -> Right:
        """Return what a room gives to somebody.

        Raises:
            DiskError: The room does not tell.

        """
        affiliates = await self._affiliates(room)
        if affiliates is None:
            own = self._own_domain
            text = f"{room} has no files here: an owner of it first makes {own} one of its admins, or owners"
            raise DiskError(Reason.FORBIDDEN, text)
        return affiliates.get(who, Right.NONE)

    async def is_destroyed(self, room: str) -> bool:
        """Tell whether there is no such room any more; a room that does not answer is not destroyed."""
        try:
            await self._ask(room, "owner")
        except RoomError as error:
            return error.is_destroyed
        return False

    async def _affiliates(self, room: str) -> Affiliates | None:
        at, affiliates = self._known.get(room, (float("-inf"), None))
        if self._clock() - at < KEEP_S:
            return affiliates
        try:
            lists = await asyncio.gather(*(self._ask(room, affiliation) for affiliation in _LISTS))
        except RoomError as error:
            log.info("room-tells-nothing", room=room, reason=str(error))
            affiliates = None
        else:
            pairs = zip(_LISTS.values(), lists, strict=True)
            affiliates = {jid: right for right, jids in reversed(list(pairs)) for jid in jids}
        self._known[room] = (self._clock(), affiliates)
        self._known.move_to_end(room)
        while len(self._known) > _ROOMS:
            self._known.popitem(last=False)
        return affiliates


class LinkAsker:
    """Asks over the component's own connection."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def __call__(self, room: str, affiliation: str) -> list[str]:
        """Ask a room for a list."""
        if not self._link.is_ready:
            raise RoomError("not connected")
        iq = self._link.make_iq_get(ito=JID(room), ifrom=self._link.boundjid)
        query = ET.SubElement(iq.xml, f"{{{NS_ADMIN}}}query")
        ET.SubElement(query, f"{{{NS_ADMIN}}}item", affiliation=affiliation)
        try:
            answer = await iq.send(timeout=_TIMEOUT_S)
        except IqTimeout:
            raise RoomError("timeout") from None
        except IqError as error:
            raise RoomError(_condition(error.iq)) from None
        items = answer.xml.iterfind(f"{{{NS_ADMIN}}}query/{{{NS_ADMIN}}}item")
        listed = [item.get("jid", "") for item in items if item.get("affiliation") == affiliation]
        try:
            return [bare_jid(jid) for jid in listed]
        except DiskError:
            raise RoomError("malformed") from None


def _condition(iq: Iq) -> str:
    """Return an error's condition; slixmpp does not see errors in the namespace of components."""
    conditions = iq.xml.iterfind(f"{{*}}error/{{{_NS_STANZAS}}}*")
    return next((condition.tag.rpartition("}")[2] for condition in conditions), "")
