"""The seam between sessions and durable storage of messages: offline storage now, the archive beside it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from xmpp_server.core.accounts import Account
    from xmpp_server.core.management import Sent
    from xmpp_server.core.session import Session
    from xmpp_server.xml.stanza import Stanza


class Keeper(Protocol):
    """Keeps messages that a client has not acknowledged."""

    def keep(self, account: Account, item: Sent) -> None:
        """Write an unacknowledged message, if it is of a kind to keep; release its receipt once committed."""
        ...

    def delivered(self, account: Account, stored_ids: list[str]) -> None:
        """Forget rows whose messages a client has."""
        ...

    def drops(self, stanza: Stanza) -> bool:
        """Tell whether a message to an account that nobody uses now would be dropped without a word."""
        ...

    def reclaim(self, account: Account, stored_ids: list[str]) -> None:
        """Note that a session restored after a restart has these rows in its queue."""
        ...

    def unacknowledged(self, session: Session, items: list[Sent]) -> None:
        """Take care of what a session that is over has not acknowledged (XEP-0198 §5)."""
        ...


class NoKeeper:
    """Keeps nothing: receipts are released as if the client had the stanzas."""

    def keep(self, account: Account, item: Sent) -> None:
        """Release the receipt."""
        if item.receipt is not None:
            item.receipt.release()
            item.receipt = None

    def delivered(self, account: Account, stored_ids: list[str]) -> None:
        """Do nothing."""

    def drops(self, stanza: Stanza) -> bool:
        """Refuse all."""
        return False

    def reclaim(self, account: Account, stored_ids: list[str]) -> None:
        """Do nothing."""

    def unacknowledged(self, session: Session, items: list[Sent]) -> None:
        """Release the receipts."""
        for item in items:
            self.keep(session.account, item)
