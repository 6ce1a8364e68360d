"""XEP-0045 §17.4, XEP-0410: IQs between occupants, by way of the room; who pings themselves is answered by it."""

from __future__ import annotations

import secrets
from functools import partial

from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.muc.ghosts import condition_of
from xmpp_server.modules.muc.limits import ID_CHARS
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.occupants import Occupant, Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.wire import copies, inner_of, inner_of_error, lang_of
from xmpp_server.stanzas.iq import IqType, iq_type
from xmpp_server.xml.namespaces import DISCO_INFO, DISCO_ITEMS, PING, VCARD
from xmpp_server.xml.stanza import Stanza

DISCO = (f"{DISCO_INFO} query", f"{DISCO_ITEMS} query")
#: What an account answers, not one of its clients.
OF_ACCOUNT = (f"{VCARD} vCard", "http://jabber.org/protocol/pubsub pubsub")
#: Requests that a room has under way at once; the oldest is given up for a new one.
UNDER_WAY = 1000
SUSPECT = ("remote-server-not-found", "remote-server-timeout", "recipient-unavailable", "gone")


class Relay:
    """Passes IQs on. Neither side learns the other's real JID; ids are the room's own."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.service.full_iq = self.take

    def take(self, stanza: Stanza, to: JID) -> Wait:
        """Take an IQ for an occupant."""
        sender = stanza.sender
        assert sender is not None  # noqa: S101 - stamped
        assert to.localpart is not None  # noqa: S101 - an occupant's address
        if iq_type(stanza) in (IqType.GET, IqType.SET):
            return self._muc.rooms.with_room(to.localpart, partial(self._request, stanza, to, sender))
        open_ = self._muc.rooms.get(to.localpart)
        if open_ is not None:
            self._reply(open_, stanza, sender)
        return None

    def _request(self, stanza: Stanza, to: JID, sender: JID, open_: OpenRoom | None) -> Wait:
        seat = None if open_ is None else open_.room.occupants.seats.get(sender)
        if open_ is None or seat is None:
            if stanza.children[0] in DISCO:  # §6.6
                raise StanzaError(Condition.BAD_REQUEST, "You are not in the room")
            raise StanzaError(Condition.NOT_ACCEPTABLE, "You are not in the room")
        target = open_.room.occupants.by_nick.get(nick_key(to.resourcepart or ""))
        if target is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "Nobody here has this nickname")
        if target is seat.occupant and stanza.children[0] == f"{PING} ping":  # XEP-0410 §4.3
            return self._muc.service.answer(stanza, None)
        if not open_.room.config.allow_queries:
            raise StanzaError(Condition.NOT_ALLOWED, "Occupants do not query one another here")
        if len(stanza.id or "") > ID_CHARS:
            raise StanzaError(Condition.POLICY_VIOLATION, f"An id has at most {ID_CHARS} characters here", echo=False)
        if seat.bucket is not None and not seat.bucket.take(self._muc.host.now()):
            raise StanzaError(Condition.POLICY_VIOLATION, "Slower, please")
        self._pass_on(open_, stanza, seat, target)
        return None

    def _pass_on(self, open_: OpenRoom, stanza: Stanza, seat: Seat, target: Occupant) -> None:
        to = target.main.jid
        if stanza.children[0] in OF_ACCOUNT:
            to = to.bare
        ident = secrets.token_hex(8)
        if len(open_.relayed) >= UNDER_WAY:
            del open_.relayed[next(iter(open_.relayed))]
        open_.relayed[ident] = (seat.jid, stanza.id or "", to, target.jid)
        self._send(stanza, seat.occupant.jid, to, ident)

    def _reply(self, open_: OpenRoom, stanza: Stanza, sender: JID) -> None:
        under_way = open_.relayed.get(stanza.id or "")
        if under_way is None or under_way[2] != sender:
            return
        del open_.relayed[stanza.id or ""]
        asker, ident, _, target = under_way
        if asker in open_.room.occupants.seats:
            self._send(stanza, target, asker, ident)
        if stanza.type == IqType.ERROR and condition_of(stanza) in SUSPECT:
            self._muc.ghosts.failed(open_, stanza, sender)

    def _send(self, stanza: Stanza, sender: JID, to: JID, ident: str) -> None:
        inner = inner_of_error(stanza) if stanza.type == IqType.ERROR else inner_of(stanza, ())
        written = copies("iq", sender, inner, stanza.children, kind=stanza.type, id=ident, lang=lang_of(stanza))
        self._muc.service.send(written.addressed(to))
