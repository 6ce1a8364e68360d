"""XEP-0045 §11.1, §18.1.2: clients that are gone without a word are found out by the errors that come back for them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from xmpp_server.jid import JID
from xmpp_server.modules.muc import visiting
from xmpp_server.modules.muc.effects import Effect, Show, Status
from xmpp_server.modules.muc.occupants import NOTHING
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PING, STANZA_ERRORS
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.modules.muc.module import Muc

#: Errors that say that a stanza could not be delivered (§18.1.2).
UNDELIVERED = frozenset(
    (
        "gone",
        "item-not-found",
        "jid-malformed",
        "recipient-unavailable",
        "redirect",
        "remote-server-not-found",
        "remote-server-timeout",
        "service-unavailable",
    )
)
#: What also is answered where somebody blocks who has sent the stanza (XEP-0191 §3.3), and is there.
DOUBTFUL = "service-unavailable"
#: How long a client that has answered is not asked again.
TRUSTED_S = 60.0


def condition_of(stanza: Stanza) -> str:
    """Return the defined condition of an error stanza, or an empty text."""
    error = stanza.element.find("error", stanza.ns)
    found = () if error is None else (child.name for child in error.elements() if child.ns == STANZA_ERRORS)
    return next(iter(found), "")


class Ghosts:
    """Puts out who cannot be reached: in the next turn, and all at once that were found until then.

    When a server dies, what a room says comes back for each of its clients there. Put out one by one, in the middle of
    what is being said, each would be told of the others, and that would come back in turn.
    """

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        #: Who is to be put out, in the order in which they were found.
        self._found: dict[tuple[OpenRoom, JID], None] = {}
        #: The ids of the pings to those who may be gone.
        self._asked: dict[tuple[OpenRoom, JID], str] = {}
        muc.service.reply = self._replied

    def failed(self, open_: OpenRoom, stanza: Stanza, sender: JID) -> bool:
        """Take an error from a client; true if the client is gone by that."""
        seat = open_.room.occupants.seats.get(sender)
        if seat is None:
            return False
        condition = condition_of(stanza)
        # who refuses presence without a reason refuses all of it, and who refuses its own does not want to be here
        refused = stanza.name == "presence" and (not condition or stanza.to == seat.occupant.jid)
        if condition not in UNDELIVERED and not refused:
            return False
        if stanza.name != "presence" and self._muc.service.find_session(sender) is not None:
            return False  # it is here, and has refused no more than this stanza: it may have blocked who sent it
        if stanza.name == "message" and condition == DOUBTFUL:
            self._ask(open_, sender)
            return False
        self._find(open_, sender)
        return True

    def _find(self, open_: OpenRoom, client: JID) -> None:
        if not self._found:
            self._muc.host.runtime.soon(self._put_out)
        self._found[open_, client] = None

    def _ask(self, open_: OpenRoom, client: JID) -> None:
        """Ask a client as the room, which nobody blocks who wants to be in it, whether it is there (XEP-0199)."""
        if (open_, client) in self._asked:
            return
        ident = self._asked[open_, client] = self._muc.host.ids.new()
        self._muc.service.send(iqs.request(IqType.GET, open_.room.jid, client, ident, Element("ping", PING)))
        self._muc.host.runtime.schedule(TRUSTED_S, partial(self._forget, open_, client))

    def _forget(self, open_: OpenRoom, client: JID) -> None:
        del self._asked[open_, client]

    def _replied(self, stanza: Stanza, to: JID) -> None:
        """Take the answer: who knows no pings counts as gone, as whoever has refused the message."""
        open_, sender = self._muc.rooms.get(to.localpart), stanza.sender
        if open_ is None or sender is None or self._asked.get((open_, sender)) != stanza.id:
            return
        if stanza.type == IqType.ERROR and condition_of(stanza) in UNDELIVERED:
            self._find(open_, sender)

    def _put_out(self) -> None:
        found, self._found = self._found, {}
        rooms: dict[OpenRoom, list[Effect]] = {}
        for open_, sender in found:
            effects = visiting.leave(open_.room, sender, NOTHING, (Status.ERROR,))
            if effects:
                rooms.setdefault(open_, []).extend(effects)
        for open_, effects in rooms.items():
            self._muc.emit(open_, [_for_who_is_left(open_, effect) for effect in effects])


def _for_who_is_left(open_: OpenRoom, effect: Effect) -> Effect:
    """Spare those who go together what is said of one another; each hears of its own going."""
    if not isinstance(effect, Show):
        return effect
    seats, occupant = open_.room.occupants.seats, effect.portrait.occupant
    return replace(effect, to=[seat for seat in effect.to if seat.jid in seats or seat.occupant is occupant])
