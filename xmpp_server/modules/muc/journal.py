"""XEP-0463: which affiliations have changed, by versions that nobody can guess. No XML, no I/O."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from xmpp_server.jid import JID

#: Accounts whose last change is remembered; who has an older version gets the whole list.
REMEMBERED = 1000


class Journal:
    """The versions of a room's list of affiliations. `secret` is the room's own, and new with each new room."""

    def __init__(self, secret: bytes = b"", number: int = 0, changes: Iterable[tuple[str, int]] = ()) -> None:
        self.secret = secret
        self.number = number
        #: When an account's affiliation changed last, in the order of that.
        self.changes: dict[str, int] = dict(changes)
        #: Of this version and older ones some changes are forgotten.
        self.forgotten = 0

    @property
    def version(self) -> str:
        """The present version."""
        return self._version(self.number)

    def _version(self, number: int) -> str:
        digest = hmac.new(self.secret, b"%d" % number, hashlib.sha256).hexdigest()[:16]
        return f"{number}-{digest}"

    def note(self, jid: JID) -> None:
        """Note a change."""
        self.number += 1
        name = str(jid)
        self.changes.pop(name, None)
        self.changes[name] = self.number
        while len(self.changes) > REMEMBERED:
            self.forgotten = self.changes.pop(next(iter(self.changes)))

    def since(self, version: str) -> list[JID] | None:
        """Return whose affiliations have changed since a version; None if that is not known (any more)."""
        text = version.partition("-")[0]
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            return None
        number = int(text)
        if number > self.number or number < self.forgotten:
            return None
        if not hmac.compare_digest(self._version(number).encode(), version.encode()):
            return None
        return [JID.parse(name) for name, changed in self.changes.items() if changed > number]
