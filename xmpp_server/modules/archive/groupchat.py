"""XEP-0313 §5.1.1: what rooms say in the archives of users, too, by option."""

from __future__ import annotations

from collections.abc import Iterable

from xmpp_server.core.host import Host
from xmpp_server.errors import StanzaError
from xmpp_server.im.offline import NO_PERMANENT_STORE, NO_STORE, TRANSIENT
from xmpp_server.jid import JID
from xmpp_server.modules.archive import protocol
from xmpp_server.modules.archive.handover import Handover
from xmpp_server.modules.muc.occupants import Seat
from xmpp_server.xml.namespaces import DELAY
from xmpp_server.xml.stanza import Stanza

_DELAYED = f"{DELAY} delay"


class Groupchat:
    """Hands over what users of a host hear in rooms: here, and elsewhere."""

    def __init__(self, host: Host, handover: Handover) -> None:
        self._host = host
        self._handover = handover

    def heard(self, stanza: Stanza, owner: JID) -> None:
        """Keep what a room elsewhere says to one client; another client's copy the archive knows by the room's id.

        Raises:
            StanzaError: resource-constraint; too much waits for the archive.

        """
        sender = stanza.sender
        if sender is None or _DELAYED in stanza.children or not is_telling(stanza):  # histories were heard before
            return
        if self._handover.has_room():
            entry = protocol.entry(self._host.ids.new(), owner, sender, stanza)
            self._handover.add(entry, stanza.receipt)

    def said_here(self, seats: Iterable[Seat], stanza: Stanza, stable_id: str, sender: JID) -> None:
        """Keep what a room of this server says, for each of the host's users in it, under the room's id."""
        for owner in self._accounts(seats):
            try:
                if not self._handover.has_room():
                    return
            except StanzaError:
                return  # the room has its own archive; nobody's message is refused for others' sake
            self._handover.add(protocol.entry(stable_id, owner, sender, stanza))

    def _accounts(self, seats: Iterable[Seat]) -> dict[JID, None]:
        """Return whose clients are there, each once."""
        sessions = (seat.session for seat in seats)
        return {
            session.account.jid: None
            for session in sessions
            if session is not None and session.host is self._host and not session.account.anonymous
        }


def is_telling(stanza: Stanza) -> bool:
    """Tell whether a message is of use later: with a body, or without one reactions, retractions, markers."""
    tags = stanza.children
    if NO_STORE in tags or NO_PERMANENT_STORE in tags:
        return False
    return not all(tag.startswith(TRANSIENT) or tag.endswith(" thread") for tag in tags)
