"""Accounts that are deleted are forgotten by all rooms: whoever takes the name next owns nothing."""

from __future__ import annotations

from xmpp_server.jid import JID
from xmpp_server.modules.muc.effects import Changed
from xmpp_server.modules.muc.hats import bareheaded
from xmpp_server.modules.muc.keeping import ROOM
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.power import AffiliationChange, apply_affiliations
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room


class Departed:
    """Takes the affiliations of deleted accounts away; of outcasts, too."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.host.hooks.account_deleted.add(self._deleted)

    def _deleted(self, jid: JID) -> None:
        for open_ in self._muc.rooms.open_rooms():
            self._forget(open_, jid)
        self._muc.host.runtime.spawn(self._forget_in_sleep(jid), "rooms-forget")

    async def _forget_in_sleep(self, jid: JID) -> None:
        """Wake those rooms alone whose document names the account."""
        rooms = self._muc.rooms
        await rooms.ready()
        for room in rooms.stored():
            document = await self._muc.host.storage.documents.get(room, ROOM, "")
            if document is not None and jid.encode() in document:
                open_ = await rooms.load(room.localpart or "")
                if open_ is not None:
                    self._forget(open_, jid)

    def _forget(self, open_: OpenRoom, jid: JID) -> None:
        config = bareheaded(open_.room.config, jid)
        if config is not open_.room.config:
            open_.room.config = config
            self._muc.emit(open_, [Changed()])
        if jid in open_.room.affiliates:
            changes = [AffiliationChange(jid, Affiliation.NONE, ""), *_heirs(open_.room, jid)]
            self._muc.emit(open_, apply_affiliations(open_.room, changes, jid))


def _heirs(room: Room, jid: JID) -> list[AffiliationChange]:
    """§10: a room has an owner, or a successor; the admins are that."""
    if room.owners() != [jid]:
        return []
    return [AffiliationChange(admin, Affiliation.OWNER) for admin in room.affiliated(Affiliation.ADMIN)]
