"""RFC 6121 §2.6.3: which items of a roster have changed since a version, for clients that know that one."""

from __future__ import annotations

from typing import Final

from xmpp_server.jid import JID

#: Contacts of an account that are remembered; who is further behind gets the whole roster.
CONTACTS: Final = 100


class RosterHistory:
    """The last changes of a roster, in memory: of several to one contact the last is enough."""

    __slots__ = ("_changes", "_since")

    def __init__(self, since: int) -> None:
        """Begin with nothing changed since a version."""
        self._since = since
        self._changes: dict[JID, int] = {}

    def note(self, contact: JID, version: int) -> None:
        """Remember that a version is due to a change of a contact."""
        self._changes.pop(contact, None)
        self._changes[contact] = version
        if len(self._changes) > CONTACTS:
            oldest = next(iter(self._changes))
            self._since = self._changes.pop(oldest)

    def after(self, version: int) -> list[tuple[JID, int]] | None:
        """Return what has changed since a version, and to which version, in order; None if that is not known."""
        if version < self._since:
            return None
        return [(contact, changed) for contact, changed in self._changes.items() if changed > version]
