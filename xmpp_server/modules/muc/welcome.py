"""XEP-0045 §7.2.13-7.2.15: what a newcomer gets after all presence: the history, and then the subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmpp_server.jid import JID
from xmpp_server.modules.muc.history import Line, Wanted
from xmpp_server.modules.muc.occupants import Seat
from xmpp_server.modules.muc.open_room import OpenRoom
from xmpp_server.modules.muc.wire import DELAY_TAG, Copies, copies
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

if TYPE_CHECKING:
    from xmpp_server.modules.muc.module import Muc

_END = b"</message>"
_BODY = f"{CLIENT} body"
_SUBJECT = f"{CLIENT} subject"


class Greeter:
    """Sends history and subject."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc

    def welcome(self, open_: OpenRoom, seat: Seat, wanted: Wanted) -> None:
        """Send what was said to a client that has entered."""
        room = open_.room
        config = room.config
        limit = config.default_history if wanted.unlimited else config.history
        address_chars = len(seat.jid.encoded.decode())
        for line in room.history.chosen(wanted, self._muc.host.utcnow(), limit, address_chars):
            self._muc.broadcast.deliver(delayed(line, room.jid, _BODY), (seat,))
        if room.subject is None:
            written = copies("message", room.jid, b"<subject/>", (_SUBJECT,), kind="groupchat")
        else:
            written = delayed(room.subject.line, room.jid, _SUBJECT)
        self._muc.broadcast.insist(written, seat)  # whoever has set it: by this clients know that they are in


def delayed(line: Line, room: JID, tag: str) -> Copies:
    """Return a line with the time at which it was said (XEP-0203)."""
    stamp = format_datetime(line.stamp.replace(microsecond=0)).encode()
    delay = b"<delay xmlns='urn:xmpp:delay' from='%b' stamp='%b'/>" % (room.encoded, stamp)
    tail = line.tail.removesuffix(_END) + delay + _END
    stanza = Stanza("message", CLIENT, {"type": "groupchat"}, b"", (tag, DELAY_TAG), 0, False)
    stanza.sender = line.sender
    stanza.wire = line.head.removesuffix(b" to='") + tail.removeprefix(b"'")
    return Copies(line.head, tail, stanza)
