"""XEP-0463: clients that enter get the affiliations, or what has changed of them since they were here last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.admin_iq import check_affiliation_list
from xmpp_server.modules.muc.broadcast import AFFILIATIONS as MAV
from xmpp_server.modules.muc.effects import Effect, Show
from xmpp_server.modules.muc.hooks import Admitted, RoomDisco
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas.error import error_element
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.stanza import Stanza

#: Affiliations in one message.
ITEMS = 500
LISTS = (Affiliation.OWNER, Affiliation.ADMIN, Affiliation.MEMBER)


class Versioning:
    """Tells newcomers of affiliations before they see who is there."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.hooks.admitted.add(self._admitted)
        muc.hooks.room_disco.add(_describe)

    def _admitted(self, event: Admitted) -> None:
        wish = event.request.find("mav", MAV)
        if wish is None:
            return
        room, jid = event.open.room, event.seat.jid
        try:
            for affiliation in LISTS:
                check_affiliation_list(room, jid, affiliation)
        except StanzaError:
            self._refuse(event)
            return
        since, current = wish.get("since"), room.journal.version
        if since != current:
            changed = None if since is None else room.journal.since(since)
            items = _items(room, jid, list(room.affiliates) if changed is None else changed, whole=changed is None)
            for message in _messages(items, None if changed is None else since, current):
                self._muc.service.send(Stanza.build(message, room.jid, jid))
        event.effects[:] = [_versioned(effect, event, current) for effect in event.effects]

    def _refuse(self, event: Admitted) -> None:
        room = event.open.room.jid
        message = Element("message", CLIENT, {"type": "error"})
        if event.stanza.id is not None:
            message.attrs["id"] = event.stanza.id
        error = StanzaError(Condition.FORBIDDEN, "You may not retrieve the affiliations")
        message.append(error_element(error, CLIENT, room))
        self._muc.service.send(Stanza.build(message, room, event.seat.jid))


def _versioned(effect: Effect, event: Admitted, version: str) -> Effect:
    """Tell the version with the newcomer's own presence (§5.2.1)."""
    if (
        isinstance(effect, Show)
        and tuple(effect.to) == (event.seat,)
        and effect.portrait.occupant is event.seat.occupant
    ):
        return replace(effect, versions=(None, version))
    return effect


def _items(room: Room, jid: JID, changed: Sequence[JID], *, whole: bool) -> list[Element]:
    """Return an item for each account; who may not know the outcasts hears that they are nothing."""
    try:
        check_affiliation_list(room, jid, Affiliation.OUTCAST)
        hidden = False
    except StanzaError:
        hidden = True
    items = []
    for one in changed:
        entry = room.affiliates.get(one)
        affiliation = Affiliation.NONE if entry is None else entry.affiliation
        if hidden and affiliation is Affiliation.OUTCAST:
            affiliation = Affiliation.NONE
        if not whole or affiliation is not Affiliation.NONE:
            items.append(Element("item", MUC_USER, {"jid": str(one), "affiliation": affiliation.text}))
    return items


def _messages(items: Sequence[Element], since: str | None, until: str) -> list[Element]:
    """Return the messages; versions in between are such that nobody knows, so that all comes again."""
    messages = []
    for start in range(0, max(len(items), 1), ITEMS):
        message = Element("message", CLIENT)
        x = message.add("x", MUC_USER)
        end = until if start + ITEMS >= len(items) else f"{until}~{start}"
        x.add("mav", MAV, since=since, until=end)
        x.children.extend(items[start : start + ITEMS])
        messages.append(message)
        since = end
    return messages


def _describe(event: RoomDisco) -> None:
    if not event.disco.node:
        event.disco.features.add(MAV)
