"""XEP-0045 §8-10: lists of roles and affiliations, read and changed."""

from __future__ import annotations

from dataclasses import dataclass

from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.power import AffiliationChange, RoleChange, change_affiliations, change_roles
from xmpp_server.modules.muc.roles import AFFILIATIONS, ROLES, Affiliation, Privilege, Role, has
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import MUC_ADMIN

QUERY = f"{MUC_ADMIN} query"
REASON_CHARS = 1024
ITEMS = 500


@dataclass(frozen=True, slots=True)
class Item:
    """An `<item/>` of a request; either a role or an affiliation is told."""

    role: Role | None
    affiliation: Affiliation | None
    jid: JID | None
    nick: str | None
    reason: str

    @classmethod
    def parse(cls, element: Element) -> Item:
        """Read an item.

        Raises:
            StanzaError: bad-request; both or none, or unknown ones (§17.4). jid-malformed.

        """
        role, affiliation = element.get("role"), element.get("affiliation")
        if (role is None) == (affiliation is None):
            raise StanzaError(Condition.BAD_REQUEST, "An item has a role, or an affiliation")
        if (role is not None and role not in ROLES) or (affiliation is not None and affiliation not in AFFILIATIONS):
            raise StanzaError(Condition.BAD_REQUEST, "There is no such role or affiliation")
        jid = element.get("jid")
        reason = element.find("reason", MUC_ADMIN)
        try:
            address = None if jid is None else JID.parse(jid).bare
        except JIDMalformed:
            raise StanzaError(Condition.JID_MALFORMED, "Not a Jabber ID") from None
        return cls(
            None if role is None else ROLES[role],
            None if affiliation is None else AFFILIATIONS[affiliation],
            address,
            element.get("nick"),
            "" if reason is None else reason.text[:REASON_CHARS],
        )


class AdminIq:
    """Answers `muc#admin` requests."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.service.on_iq(IqType.GET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._get))
        muc.service.on_iq(IqType.SET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._set))

    # Reading.

    def _get(self, open_: OpenRoom, request: IqRequest) -> Element:
        items = _items(request.payload)
        if len(items) != 1:
            raise StanzaError(Condition.BAD_REQUEST, "Ask for one list")
        [item] = items
        query = Element("query", MUC_ADMIN)
        if item.role is not None:
            _check_role_list(open_.room, request.sender, item.role)
            _list_role(open_.room, item.role, query)
        elif item.affiliation is not None:
            check_affiliation_list(open_.room, request.sender, item.affiliation)
            _list_affiliation(open_.room, item.affiliation, query)
        return query

    # Changing.

    def _set(self, open_: OpenRoom, request: IqRequest) -> Reply:
        items = _items(request.payload)
        if not items or len(items) > ITEMS:
            raise StanzaError(Condition.BAD_REQUEST, f"Change 1 to {ITEMS} items at once")
        if all(item.role is not None for item in items):
            return self._set_roles(open_, request.sender, items)
        if all(item.affiliation is not None for item in items):
            return self._set_affiliations(open_, request.sender, items)
        raise StanzaError(Condition.BAD_REQUEST, "Change roles, or affiliations")

    def _set_roles(self, open_: OpenRoom, sender: JID, items: list[Item]) -> Reply:
        """§8.2: whoever asks hears of the success before the others hear of the change."""
        room = open_.room
        if room.standing(sender)[0] < Role.MODERATOR:
            raise StanzaError(Condition.FORBIDDEN, "Moderators do this")
        changes = []
        for item in items:
            assert item.role is not None  # noqa: S101 - `_set` has looked
            if item.nick is None:
                raise StanzaError(Condition.BAD_REQUEST, "Roles are of nicknames")
            occupant = room.occupants.by_nick.get(nick_key(item.nick))
            if occupant is None:
                raise StanzaError(Condition.ITEM_NOT_FOUND, "Nobody here has this nickname")
            changes.append(RoleChange(occupant, item.role, item.reason))
        effects = change_roles(room, sender, changes)
        self._muc.service.after_answer(lambda: self._muc.emit(open_, effects))
        return None

    def _set_affiliations(self, open_: OpenRoom, sender: JID, items: list[Item]) -> Reply:
        room = open_.room
        if not has(Privilege.EDIT_MEMBERS, room.affiliation(sender)):
            raise StanzaError(Condition.FORBIDDEN, "Admins and owners do this")
        changes = []
        for item in items:
            assert item.affiliation is not None  # noqa: S101 - `_set` has looked
            nick = None
            jid = item.jid
            if jid is None:
                jid = _of_nick(room, item.nick)
            elif item.affiliation not in (Affiliation.OUTCAST, Affiliation.NONE):
                nick = item.nick
            changes.append(AffiliationChange(jid, item.affiliation, nick, item.reason))
        return self._muc.committed(open_, change_affiliations(room, sender, changes))


def _items(query: Element) -> list[Item]:
    return [Item.parse(element) for element in query.findall("item", MUC_ADMIN)]


def _of_nick(room: Room, nick: str | None) -> JID:
    occupant = None if nick is None else room.occupants.by_nick.get(nick_key(nick))
    if occupant is None:
        raise StanzaError(Condition.BAD_REQUEST, "Affiliations are of Jabber IDs")
    return occupant.bare


def _check_role_list(room: Room, sender: JID, role: Role) -> None:
    """§8.5, §9.8: moderators see who has voice, admins see who moderates."""
    own, affiliation = room.standing(sender)
    if own < Role.MODERATOR or (role is Role.MODERATOR and not has(Privilege.ASSIGN_MODERATORS, affiliation)):
        raise StanzaError(Condition.FORBIDDEN, "You may not retrieve this list")


def check_affiliation_list(room: Room, sender: JID, affiliation: Affiliation) -> None:
    """Check who may retrieve a list (§5.2.1, §9.5, `muc#roomconfig_getmemberlist`).

    Raises:
        StanzaError: forbidden.

    """
    _, own = room.standing(sender)
    if own >= Affiliation.ADMIN:
        return
    seat = room.occupants.seats.get(sender)
    if affiliation is not Affiliation.OUTCAST:
        # Whom a list would tell something that presence does not is refused: real JIDs are in it.
        if room.config.non_anonymous and own is Affiliation.MEMBER:
            return
        if seat is not None and room.knows_real_jids(seat) and seat.occupant.role in room.config.member_list:
            return
    raise StanzaError(Condition.FORBIDDEN, "You may not retrieve this list")


def _list_role(room: Room, role: Role, query: Element) -> None:
    for occupant in room.occupants:
        if occupant.role is role:
            query.add(
                "item",
                affiliation=occupant.affiliation.text,
                jid=str(occupant.main.jid),
                nick=occupant.nick,
                role=role.text,
            )


def _list_affiliation(room: Room, affiliation: Affiliation, query: Element) -> None:
    for jid, one in room.affiliates.items():
        if one.affiliation is affiliation:
            item = query.add("item", affiliation=affiliation.text, jid=str(jid), nick=one.nick or None)
            if one.reason:
                item.add("reason", text=one.reason)
