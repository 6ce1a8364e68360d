"""Messages that tell contacts and rooms of a share: a link in words, and as XEP-0066 out-of-band data."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from xml.etree import ElementTree as ET

import structlog
from slixmpp import JID, Message, Presence

from components.xmpp_component.link import Link
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.stores import Stores
from components.xmpp_files.quota import HOUR_S

log = structlog.get_logger(__name__)

_NS_OOB = "jabber:x:oob"
_NS_MUC = "http://jabber.org/protocol/muc"
_NICK = "Files"
_TIMEOUT_S = 10.0


class Notices:
    """Sends from the component's own address; who shares is told in the text, for the component vouches for it.

    Args:
        link: To send by.
        stores: Who may write to which room.
        per_hour: How many messages one user may cause, 0 for none.

    """

    def __init__(self, link: Link, stores: Stores, per_hour: int) -> None:
        self._link = link
        self._stores = stores
        self._per_hour = per_hour
        self._hour = 0
        self._sent: Counter[str] = Counter()
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        link.add_event_handler("directed_presence", self._on_presence)
        for event in ("message", "message_error"):
            link.add_event_handler(event, self._on_message)

    async def check(self, who: str, recipient: str, now: int) -> None:
        """Count a message to somebody.

        Raises:
            DiskError: It is not allowed, or too many.

        """
        if self._stores.is_room(recipient):
            await self._stores.right(who, recipient)
        elif "@" not in recipient:
            raise DiskError(Reason.BAD, f"{recipient!r} is nobody's address")
        if now // HOUR_S != self._hour:
            self._hour = now // HOUR_S
            self._sent.clear()
        if self._sent[who] >= self._per_hour:
            raise DiskError(Reason.FULL, f"Only {self._per_hour} messages an hour")
        self._sent[who] += 1

    async def send(self, who: str, recipient: str, name: str, url: str) -> bool:
        """Tell somebody of a share; False if a room does not let us."""
        message = self._link.make_message(mto=JID(recipient), mfrom=self._link.boundjid, mtype="chat")
        message["body"] = f"{who} shares “{name}” with you: {url}"
        oob = ET.SubElement(message.xml, f"{{{_NS_OOB}}}x")
        ET.SubElement(oob, f"{{{_NS_OOB}}}url").text = url
        ET.SubElement(oob, f"{{{_NS_OOB}}}desc").text = name
        if not self._link.is_ready:
            return False
        if not self._stores.is_room(recipient):
            message.send()
            return True
        return await self._to_room(message, recipient)

    async def _to_room(self, message: Message, room: str) -> bool:
        """Enter, say it, leave: only occupants speak (XEP-0045 §7.4)."""
        seat = f"{room}/{_NICK} {secrets.token_hex(3)}"
        join = self._link.make_presence(pto=JID(seat), pfrom=self._link.boundjid)
        muc = ET.SubElement(join.xml, f"{{{_NS_MUC}}}x")
        ET.SubElement(muc, f"{{{_NS_MUC}}}history", maxstanzas="0")
        if not await self._answered(seat, join):
            return False
        message["type"] = "groupchat"
        message["id"] = secrets.token_hex(8)
        said = await self._answered(message["id"], message)
        self._link.make_presence(pto=JID(seat), pfrom=self._link.boundjid, ptype="unavailable").send()
        del self._link.roster[self._link.domain][JID(room)]  # slixmpp keeps who was there
        return said

    async def _answered(self, key: str, stanza: Message | Presence) -> bool:
        """Send a stanza; tell whether the room has taken it."""
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            stanza.send()
            async with asyncio.timeout(_TIMEOUT_S):
                taken: bool = await answer
                return taken
        except TimeoutError:
            log.info("room-does-not-answer", to=stanza["to"].bare)
            return False
        finally:
            del self._waiting[key]

    def _on_presence(self, presence: Presence) -> None:
        if presence["type"] in ("available", "error"):
            self._resolve(presence["from"].full, presence["type"] == "available")

    def _on_message(self, message: Message) -> None:
        self._resolve(message["id"], message["type"] != "error")

    def _resolve(self, key: str, taken: bool) -> None:
        waiting = self._waiting.get(key)
        if waiting is not None and not waiting.done():
            waiting.set_result(taken)
