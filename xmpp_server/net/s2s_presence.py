"""RFC 6121 §4.5.2: whose presence came from another server, so that it ends when that server is gone for good."""

from __future__ import annotations

from collections.abc import Iterator

from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.stanza import Stanza

#: Remembered for one domain; what is above shows its end only when the client asks again.
SEEN = 20_000
#: Domains that are remembered.
DOMAINS = 10_000


class Presences:
    """Who is available elsewhere, and to whom that was told."""

    def __init__(self) -> None:
        self._seen: dict[str, set[tuple[JID, JID]]] = {}

    def note(self, stanza: Stanza) -> None:
        """Look at presence that another server has sent."""
        sender, to = stanza.sender, stanza.to
        if sender is None or to is None or stanza.type not in (None, PresenceType.UNAVAILABLE):
            return
        seen = self._seen.get(sender.domainpart)
        if stanza.type is not None:
            if seen is not None:
                seen.discard((sender, to))
                if not seen:
                    del self._seen[sender.domainpart]
        elif seen is None:
            if len(self._seen) < DOMAINS:
                self._seen[sender.domainpart] = {(sender, to)}
        elif len(seen) < SEEN:
            seen.add((sender, to))

    def __contains__(self, domain: str) -> bool:
        """Whether anybody of a domain is available."""
        return domain in self._seen

    def end(self, domain: str) -> Iterator[Stanza]:
        """Return what tells that all of a domain are unavailable, and forget them."""
        for sender, to in self._seen.pop(domain, ()):
            yield presence.build(sender, to, PresenceType.UNAVAILABLE)
