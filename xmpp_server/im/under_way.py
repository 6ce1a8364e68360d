"""Which stored messages of an account are under way to its clients, so that each is given once and lost never."""

from __future__ import annotations

from xmpp_server.im.backlog import Backlog
from xmpp_server.storage.api import OfflineMessage
from xmpp_server.xml.stanza import Receipt, Stanza


class Kept:
    """A message on its way into the store, with what its sender is to be told; `since` is in monotonic seconds."""

    __slots__ = ("_receipt", "message", "since", "stanza")

    def __init__(self, message: OfflineMessage, stanza: Stanza, receipt: Receipt | None, since: float) -> None:
        self.message = message
        self.stanza = stanza
        self.since = since
        self._receipt = receipt

    def release(self) -> None:
        """Say that the sender need not wait any more; the second time does nothing."""
        if self._receipt is not None:
            self._receipt.release()
            self._receipt = None


class Rows:
    """The stored messages of an account that are under way to its clients."""

    __slots__ = ("backlog", "given", "gone", "holders", "late", "unwritten")

    def __init__(self) -> None:
        #: How many sessions have a row's message in their queue.
        self.holders: dict[str, int] = {}
        #: Those of which no other session has seen the message.
        self.given: set[str] = set()
        #: Those that a client has; the store is about to forget them.
        self.gone: set[str] = set()
        #: Those that could not be written; a session has the message still, and it is tried again.
        self.unwritten: dict[str, Kept] = {}
        #: Something was stored for somebody who had come meanwhile.
        self.late = False
        #: While stored messages are being given back: to whom.
        self.backlog: Backlog | None = None

    def hold(self, ident: str) -> bool:
        """Note that a session has a row's message; true for the first one."""
        self.holders[ident] = self.holders.get(ident, 0) + 1
        return self.holders[ident] == 1

    def let_go(self, ident: str) -> bool:
        """Note that a session does not have it any more; true if it was the last one."""
        left = self.holders.get(ident, 1) - 1
        if left:
            self.holders[ident] = left
            return False
        return self.forget(ident)

    def forget(self, ident: str) -> bool:
        """Forget a row; true if somebody had it."""
        self.given.discard(ident)
        return self.holders.pop(ident, None) is not None
