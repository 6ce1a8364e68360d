"""XEP-0045 §15.1, §18.1.2: clients that are gone without a word are found out by the errors that come back for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmpp_server.jid import JID
from xmpp_server.modules.muc import visiting
from xmpp_server.modules.muc.effects import Status
from xmpp_server.modules.muc.occupants import NOTHING
from xmpp_server.modules.muc.rooms import OpenRoom
from xmpp_server.xml.namespaces import STANZA_ERRORS
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


def condition_of(stanza: Stanza) -> str:
    """Return the defined condition of an error stanza, or an empty text."""
    error = stanza.element.find("error", stanza.ns)
    found = () if error is None else (child.name for child in error.elements() if child.ns == STANZA_ERRORS)
    return next(iter(found), "")


class Ghosts:
    """Puts out who cannot be reached."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc

    def failed(self, open_: OpenRoom, stanza: Stanza, sender: JID) -> bool:
        """Take an error from a client; true if the client is gone by that."""
        if sender not in open_.room.occupants.seats:
            return False
        condition = condition_of(stanza)
        # who refuses presence without a reason refuses all of it
        if condition not in UNDELIVERED and not (stanza.name == "presence" and not condition):
            return False
        self._muc.emit(open_, visiting.leave(open_.room, sender, NOTHING, (Status.ERROR,)))
        return True
