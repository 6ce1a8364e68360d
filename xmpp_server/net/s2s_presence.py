"""RFC 6121 §4.5.2: whose presence came from another server, so that it ends when that server is gone for good.

Of a room elsewhere (XEP-0045) one's own presence there is enough: with it one has left the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.error import error_element
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, MUC_USER
from xmpp_server.xml.stanza import Stanza

_OCCUPANT = f"{MUC_USER} x"
#: The status codes of one's own presence, and of an end that nobody wanted (XEP-0045 §16.6).
_OWN, _BROKEN = "110", "333"

#: Remembered for one domain; what is above shows its end only when the client asks again.
SEEN = 20_000
#: Domains that are remembered, and about how many bytes for all of them: anybody can tell us of people without end.
DOMAINS = 10_000
BYTES = 128 << 20


class Presences:
    """Who is available elsewhere, and to whom that was told."""

    def __init__(self) -> None:
        #: (who, to whom) -> whether it is the receiver's own presence in a room.
        self._seen: dict[str, dict[tuple[JID, JID], bool]] = {}
        #: About what all that takes.
        self._bytes = 0

    def note(self, stanza: Stanza) -> None:
        """Look at presence that another server has sent."""
        sender, to = stanza.sender, stanza.to
        if sender is None or to is None or stanza.type not in (None, PresenceType.UNAVAILABLE):
            return
        if stanza.type is not None:
            self._forget(sender, to)
            return
        in_room = _OCCUPANT in stanza.children
        if in_room and not _is_own(stanza):
            return
        seen = self._seen.get(sender.domainpart)
        if seen is None or (sender, to) not in seen:
            size = _size(sender, to)
            if self._bytes + size > BYTES or (len(self._seen) >= DOMAINS if seen is None else len(seen) >= SEEN):
                return
            self._bytes += size
        if seen is None:
            seen = self._seen[sender.domainpart] = {}
        seen[sender, to] = in_room

    def _forget(self, sender: JID, to: JID) -> bool:
        """Forget one; return whether it was the receiver's own presence in a room."""
        seen = self._seen.get(sender.domainpart, {})
        in_room = seen.pop((sender, to), None)
        if in_room is None:
            return False
        self._bytes -= _size(sender, to)
        if not seen:
            del self._seen[sender.domainpart]
        return in_room

    def __contains__(self, domain: str) -> bool:
        """Whether anybody of a domain is available."""
        return domain in self._seen

    def end(self, domain: str, is_service: Callable[[JID], bool], most: int) -> Iterator[Stanza]:
        """Return what tells that `most` of a domain are unavailable, and forget them.

        A service of ours, such as one of rooms, hears of an error instead: it tells others why somebody is gone.
        """
        lost = error_element(StanzaError(Condition.REMOTE_SERVER_TIMEOUT), CLIENT)
        for sender, to in tuple(islice(self._seen.get(domain, ()), most)):
            in_room = self._forget(sender, to)
            if is_service(to):
                yield presence.build(sender, to, PresenceType.ERROR, payloads=(lost,))
            else:
                yield presence.build(sender, to, PresenceType.UNAVAILABLE, payloads=(_put_out(),) if in_room else ())


def _size(sender: JID, to: JID) -> int:
    """Return about how many bytes a pair takes: the texts, their bare forms, both encoded, and the objects."""
    return 4 * (len(sender) + len(to)) + 400


def _is_own(stanza: Stanza) -> bool:
    if _OWN.encode() not in stanza.wire:  # of most occupants that is all there is to look at
        return False
    x = stanza.element.find("x", MUC_USER)
    return x is not None and any(status.get("code") == _OWN for status in x.findall("status", MUC_USER))


def _put_out() -> Element:
    """Return what a room would say itself, could it be reached (XEP-0045 §11.1)."""
    x = Element("x", MUC_USER)
    x.add("item", affiliation="none", role="none")
    for code in (_OWN, _BROKEN):
        x.add("status", code=code)
    return x
