"""RFC 6121 §4.6: to whom a session has directed presence, so that they are told when it goes."""

from __future__ import annotations

from xmpp_server.core.module import Slot
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.stanza import Stanza


class Directed:
    """Remembers recipients; at most `limit` for each session."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Insertion order is the order in which they are told.
        self._recipients: Slot[dict[JID, None]] = Slot("directed-presence", dict)

    def note(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Note that available or unavailable presence goes to `to`.

        Raises:
            StanzaError: The session has sent presence to too many. It must not go out then: nobody would be told
                of the end.

        """
        if stanza.type == PresenceType.UNAVAILABLE:
            self.forget(session, to)
        else:
            self.add(session, to)

    def add(self, session: Session, to: JID) -> None:
        """Note one recipient; raises as `note` does."""
        recipients = self._recipients.get(session)
        if to not in recipients and len(recipients) >= self._limit:
            raise StanzaError(
                Condition.RESOURCE_CONSTRAINT, f"Presence was directed to {self._limit} addresses already"
            )
        recipients[to] = None

    def forget(self, session: Session, recipient: JID) -> None:
        """Forget one recipient: it was told, or has answered with an error (§4.6.3)."""
        recipients = self._recipients.peek(session)
        if recipients is not None:
            recipients.pop(recipient, None)

    def of(self, session: Session) -> list[JID]:
        """Return all recipients."""
        return list(self._recipients.peek(session) or ())

    def take(self, session: Session) -> list[JID]:
        """Return all recipients, and forget them."""
        recipients = self.of(session)
        self._recipients.discard(session)
        return recipients
