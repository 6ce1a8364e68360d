"""RFC 6121 §4.5.2: whose presence came from another server, so that it ends when that server is gone for good.

Of a room elsewhere (XEP-0045) one's own presence there is enough: with it one has left the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
#: Domains that are remembered.
DOMAINS = 10_000


class Presences:
    """Who is available elsewhere, and to whom that was told."""

    def __init__(self) -> None:
        #: (who, to whom) -> whether it is the receiver's own presence in a room.
        self._seen: dict[str, dict[tuple[JID, JID], bool]] = {}

    def note(self, stanza: Stanza) -> None:
        """Look at presence that another server has sent."""
        sender, to = stanza.sender, stanza.to
        if sender is None or to is None or stanza.type not in (None, PresenceType.UNAVAILABLE):
            return
        seen = self._seen.get(sender.domainpart)
        if stanza.type is not None:
            if seen is not None:
                seen.pop((sender, to), None)
                if not seen:
                    del self._seen[sender.domainpart]
            return
        in_room = _OCCUPANT in stanza.children
        if in_room and not _is_own(stanza):
            return
        if seen is None:
            if len(self._seen) < DOMAINS:
                self._seen[sender.domainpart] = {(sender, to): in_room}
        elif len(seen) < SEEN:
            seen[sender, to] = in_room

    def __contains__(self, domain: str) -> bool:
        """Whether anybody of a domain is available."""
        return domain in self._seen

    def end(self, domain: str, is_service: Callable[[JID], bool]) -> Iterator[Stanza]:
        """Return what tells that all of a domain are unavailable, and forget them.

        A service of ours, such as one of rooms, hears of an error instead: it tells others why somebody is gone.
        """
        lost = error_element(StanzaError(Condition.REMOTE_SERVER_TIMEOUT), CLIENT)
        for (sender, to), in_room in self._seen.pop(domain, {}).items():
            if is_service(to):
                yield presence.build(sender, to, PresenceType.ERROR, payloads=(lost,))
            else:
                yield presence.build(sender, to, PresenceType.UNAVAILABLE, payloads=(_put_out(),) if in_room else ())


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
