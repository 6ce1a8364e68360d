"""XEP-0045 §7.10: users register with a room: they become members, and a nickname becomes theirs."""

from __future__ import annotations

from xmpp_server.core.iq import IqRequest, Reply, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import check_nick
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.power import AffiliationChange, apply_affiliations, check_nicks, check_number
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room
from xmpp_server.stanzas.forms import Field, FieldType, Form, FormType, accept, hidden_form_type
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DATA_FORMS, REGISTER

QUERY = f"{REGISTER} query"
FORM = "http://jabber.org/protocol/muc#register"
NICK = "muc#register_roomnick"
REGISTRATION = Form(
    FormType.FORM,
    (hidden_form_type(FORM), Field(NICK, (), FieldType.TEXT_SINGLE, "Desired nickname", required=True)),
    "Registration with the room",
)


class Registration:
    """Answers `jabber:iq:register` requests."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.service.on_iq(IqType.GET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._get))
        muc.service.on_iq(IqType.SET, To.ACCOUNT, QUERY, lambda request: muc.ask(request, self._set))

    def _get(self, open_: OpenRoom, request: IqRequest) -> Element:
        room = open_.room
        query = Element("query", REGISTER)
        nick = room.nick_of(request.sender)
        if nick:
            query.add("registered")
            query.add("username", text=nick)
            return query
        _check(room, request.sender)
        return query.append(REGISTRATION.to_element())

    def _set(self, open_: OpenRoom, request: IqRequest) -> Reply:
        room, bare = open_.room, request.sender.bare
        if request.payload.find("remove", REGISTER) is not None:
            return self._remove(open_, bare)
        _check(room, bare)
        element = request.payload.find("x", DATA_FORMS)
        if element is None:
            raise StanzaError(Condition.BAD_REQUEST, "Fill in the form")
        submission = Form.parse(element)
        if submission.type is FormType.CANCEL:
            return None
        if not submission.value(NICK):
            raise StanzaError(Condition.BAD_REQUEST, "Which nickname?")
        [nick] = accept(REGISTRATION, submission)[NICK]
        try:
            room.jid.with_resource(nick)
        except JIDMalformed:
            raise StanzaError(Condition.JID_MALFORMED, "This cannot be a nickname") from None
        return self._register(open_, bare, nick)

    def _register(self, open_: OpenRoom, bare: JID, nick: str) -> Reply:
        """Take the nickname, unless it is reserved, or borne by another at the moment."""
        room = open_.room
        occupant = room.occupants.by_nick.get(check_nick(nick, room.limits.nick_chars))
        if occupant is not None and occupant.bare != bare:
            raise StanzaError(Condition.CONFLICT, "Somebody here has this nickname")
        change = AffiliationChange(bare, max(_listed(room, bare), Affiliation.MEMBER), nick)
        check_nicks(room, (change,))
        check_number(room, (change,))
        return self._muc.committed(open_, apply_affiliations(room, (change,), bare))

    def _remove(self, open_: OpenRoom, bare: JID) -> Reply:
        """Give up the nickname; mere members are members no more, as by registering they became such."""
        room = open_.room
        if not room.nick_of(bare):
            raise StanzaError(Condition.REGISTRATION_REQUIRED, "You are not registered")
        affiliation = _listed(room, bare)
        left = Affiliation.NONE if affiliation is Affiliation.MEMBER else affiliation
        return self._muc.committed(open_, apply_affiliations(room, (AffiliationChange(bare, left, ""),), bare))


def _listed(room: Room, bare: JID) -> Affiliation:
    """Return what somebody is by the room's own lists: whoever owns it as the server's admin is not to stay so."""
    found = room.affiliates.get(bare)
    return Affiliation.NONE if found is None else found.affiliation


def _check(room: Room, sender: JID) -> None:
    """§5.2.1: those who have no affiliation may register with an open room; those who have one, choose a nickname.

    Registering makes a member, so it opens no room that asks for more: to enter, or to speak.
    """
    affiliation = room.affiliation(sender)
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError(Condition.FORBIDDEN, "You are banned from this room")
    if room.locked:
        raise StanzaError(Condition.ITEM_NOT_FOUND, "This room is not ready yet")
    if not room.config.registration:
        raise StanzaError(Condition.SERVICE_UNAVAILABLE, "Nobody registers with this room")
    if (room.config.members_only or room.config.moderated) and affiliation is Affiliation.NONE:
        raise StanzaError(Condition.NOT_ALLOWED, "You cannot register with this room")
