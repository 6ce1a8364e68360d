"""XEP-0045 §7.8.2: mediated invitations, and declines. Direct ones (XEP-0249) are messages like any other."""

from __future__ import annotations

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.order import Order
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc.effects import Invitation
from xmpp_server.modules.muc.hooks import Direct
from xmpp_server.modules.muc.limits import Buckets
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.power import AffiliationChange, apply_affiliations, check_number
from xmpp_server.modules.muc.roles import Affiliation, Privilege, has
from xmpp_server.modules.muc.wire import USER_TAG
from xmpp_server.stanzas.error import error_element
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.stanza import Stanza

INVITEES = 20
REMEMBERED = 1000
REASON_CHARS = 4096


class Invitations:
    """Passes invitations on, and what is answered."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        self._buckets: Buckets[JID] = Buckets(muc.config.invitations_per_minute)
        muc.hooks.direct.add(self.take, Order.DELIVER)
        muc.hooks.bounced.add(self._bounced)

    def take(self, event: Direct) -> Verdict:
        """Take messages with an invitation or a decline."""
        if USER_TAG not in event.stanza.children:
            return False
        x = event.stanza.element.find("x", MUC_USER)
        assert x is not None  # noqa: S101 - its tag is there
        invites = list(x.findall("invite", MUC_USER))
        if invites:
            self._invite(event, invites)
            return True
        decline = x.find("decline", MUC_USER)
        if decline is not None:
            self._decline(event, decline)
            return True
        return False

    def _invite(self, event: Direct, invites: list[Element]) -> None:
        room = event.open.room
        self._check(event)
        if len(invites) > INVITEES:
            raise StanzaError(Condition.NOT_ACCEPTABLE, f"Invite at most {INVITEES} at once")
        invitees = [_address(invite.get("to")) for invite in invites]
        for _ in invitees:
            self._throttle(event.sender.bare)
        if any(room.affiliation(invitee) is Affiliation.OUTCAST for invitee in invitees):
            raise StanzaError(Condition.NOT_ALLOWED, "They are banned from this room")
        new = {invitee.bare for invitee in invitees if room.affiliation(invitee) is Affiliation.NONE}
        changes = [AffiliationChange(invitee, Affiliation.MEMBER) for invitee in sorted(new)]
        if room.config.members_only:
            check_number(room, changes)
        for invite, invitee in zip(invites, invitees, strict=True):
            self._send(event, invite, invitee)
        if room.config.members_only:
            effects = apply_affiliations(room, changes, event.sender)
            self._muc.emit(event.open, [one for one in effects if not isinstance(one, Invitation)])

    def _check(self, event: Direct) -> None:
        """§5.1.1, §7.8.2: occupants invite to open rooms; to others admins do, or members if they may."""
        room = event.open.room
        affiliation = room.affiliation(event.sender)
        if room.locked:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "This room is not ready yet")
        if event.seat is None and affiliation < Affiliation.ADMIN:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "You are not in the room")
        if not room.config.members_only or has(Privilege.EDIT_MEMBERS, affiliation):
            return
        if not (room.config.allow_invites and affiliation is Affiliation.MEMBER):
            raise StanzaError(Condition.FORBIDDEN, "Admins invite to this room")

    def _throttle(self, sender: JID) -> None:
        if not self._buckets.take(sender, self._muc.host.now()):
            raise StanzaError(Condition.POLICY_VIOLATION, "Too many invitations", type=ErrorType.WAIT)

    def _send(self, event: Direct, invite: Element, invitee: JID) -> None:
        open_ = event.open
        room = open_.room
        open_.invited[invitee.bare, event.sender.bare] = None
        if len(open_.invited) > REMEMBERED:
            del open_.invited[next(iter(open_.invited))]
        x = Element("x", MUC_USER)
        copy = x.add("invite")
        copy.attrs["from"] = str(event.sender.bare)  # §7.8.2 lets the room choose; an invitation is personal
        for child in invite.elements():
            if child.name == "reason" and child.ns == MUC_USER:
                copy.add("reason", text=child.text[:REASON_CHARS])
            elif child.name == "continue":
                copy.append(child)
        if room.config.password:
            x.add("password", text=room.config.password)
        self._message(event.stanza, room.jid, invitee, x)

    def _decline(self, event: Direct, decline: Element) -> None:
        """Tell the inviter, if there was an invitation; nobody sends letters to strangers by the room."""
        room = event.open.room
        inviter = _address(decline.get("to"))
        if inviter.domainpart == room.jid.domainpart and inviter.resourcepart is not None:
            nick = next((one for one in room.occupants if one.jid == inviter), None)
            inviter = inviter if nick is None else nick.bare
        invited = event.open.invited.pop((event.sender.bare, inviter.bare), ()) is None
        known = min(room.affiliation(event.sender), room.affiliation(inviter)) >= Affiliation.MEMBER
        if not invited and not known:  # of members the room may have forgotten it; to strangers it tells no members
            raise StanzaError(Condition.ITEM_NOT_FOUND, "They have not invited you")
        x = Element("x", MUC_USER)
        copy = x.add("decline")
        copy.attrs["from"] = str(event.sender.bare)
        reason = decline.find("reason", MUC_USER)
        if reason is not None:
            copy.add("reason", text=reason.text[:REASON_CHARS])
        seats = [seat.jid for seat in room.everybody() if seat.occupant.bare == inviter.bare]
        for to in seats or (inviter.bare,):
            self._message(event.stanza, room.jid, to, x)

    def _bounced(self, event: Direct) -> None:
        """Tell the inviter that an invitation has reached nobody (§7.8.2)."""
        invitee, room = event.sender, event.open.room
        inviter = next((who for invited, who in event.open.invited if invited == invitee.bare), None)
        if inviter is None:
            return
        del event.open.invited[invitee.bare, inviter]
        message = Element("message", CLIENT, {"type": "error"})
        if event.stanza.id is not None:
            message.attrs["id"] = event.stanza.id
        message.add("x", MUC_USER).add("invite", to=str(invitee.bare))
        message.append(error_element(StanzaError(Condition.ITEM_NOT_FOUND, "They cannot be reached"), CLIENT))
        for seat in room.everybody():
            if seat.occupant.bare == inviter:
                self._muc.service.send(Stanza.build(message.copy(), room.jid, seat.jid))

    def _message(self, stanza: Stanza, room: JID, to: JID, x: Element) -> None:
        message = Element("message", CLIENT)
        for name in ("id", "xml:lang"):
            if name in stanza.attrs:
                message.attrs[name] = stanza.attrs[name]
        self._muc.service.send(Stanza.build(message.append(x), room, to))


def _address(text: str | None) -> JID:
    try:
        return JID.parse(text or "")
    except JIDMalformed:
        raise StanzaError(Condition.JID_MALFORMED, "Whom?") from None
