"""XEP-0045 §7.13, §8.6: visitors ask for voice, moderators grant it."""

from __future__ import annotations

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.order import Order
from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.hooks import Direct
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import Occupant
from xmpp_server.modules.muc.power import RoleChange, change_roles
from xmpp_server.modules.muc.roles import Role
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, Option, hidden_form_type
from xmpp_server.xml.namespaces import DATA_FORMS

FORM = "http://jabber.org/protocol/muc#request"
ROLE, REAL, NICK, ALLOW = "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow"
REMEMBERED = 1000


class Voice:
    """Takes requests for voice, and what moderators answer."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.hooks.direct.add(self.take, Order.DELIVER)

    def take(self, event: Direct) -> Verdict:
        """Take submitted forms of this kind."""
        if f"{DATA_FORMS} x" not in event.stanza.children:
            return False
        form = Form.of(event.stanza.element)
        if form is None or form.form_type != FORM:
            return False
        if event.seat is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, "You are not in the room")
        if form.type is FormType.CANCEL:
            return True
        if form.field(ALLOW) is not None:
            self._answered(event, form)
        else:
            self._asked(event, event.seat.occupant, form)
        return True

    def _asked(self, event: Direct, occupant: Occupant, form: Form) -> None:
        open_, room = event.open, event.open.room
        if not room.config.voice_requests:
            raise StanzaError(Condition.FORBIDDEN, "Nobody grants voice here")
        if form.value(ROLE) not in (None, Role.PARTICIPANT.text):
            raise StanzaError(Condition.BAD_REQUEST, "Ask for the role of a participant")
        if occupant.role is not Role.VISITOR:
            raise StanzaError(Condition.CONFLICT, "You have voice")
        now = self._muc.host.now()
        last = open_.asked_for_voice.get(occupant.bare)
        if last is not None and now - last < room.config.voice_request_interval_s:
            raise StanzaError(Condition.POLICY_VIOLATION, "You have asked already", type=ErrorType.WAIT)
        if len(open_.asked_for_voice) > REMEMBERED:
            open_.asked_for_voice.clear()
        open_.asked_for_voice[occupant.bare] = now
        seats = [seat for one in room.occupants.moderators() for seat in one.seats.values()]
        self._muc.broadcast.announce(open_, approval(occupant, event.sender).to_element(), seats)

    def _answered(self, event: Direct, form: Form) -> None:
        """§8.6: a moderator has filled in the form."""
        room = event.open.room
        if room.standing(event.sender)[0] < Role.MODERATOR:
            raise StanzaError(Condition.FORBIDDEN, "Moderators do this")
        if not form.boolean(ALLOW):
            return
        occupant = room.occupants.by_nick.get(nick_key(form.value(NICK) or ""))
        if occupant is None or form.value(REAL) not in (None, "", *occupant.seats):
            raise StanzaError(Condition.ITEM_NOT_FOUND, "They have gone")
        if occupant.role is Role.VISITOR:
            effects = change_roles(room, event.sender, (RoleChange(occupant, Role.PARTICIPANT),))
            self._muc.emit(event.open, effects)


def approval(occupant: Occupant, real: JID) -> Form:
    """Return the form for moderators."""
    participant = Role.PARTICIPANT.text
    fields = (
        hidden_form_type(FORM),
        Field(ROLE, (participant,), FieldType.LIST_SINGLE, "Requested role", options=(Option(participant),)),
        Field(REAL, (str(real),), FieldType.JID_SINGLE, "User ID"),
        Field(NICK, (occupant.nick,), FieldType.TEXT_SINGLE, "Room nickname"),
        Field(ALLOW, ("0",), FieldType.BOOLEAN, "Grant voice to this person?"),
    )
    return Form(FormType.FORM, fields, "Voice request")
