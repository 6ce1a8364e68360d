"""Values that the tests of stores put in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from xmpp_server.jid import JID
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.storage.api import AccountRecord, OfflineMessage

ROMEO = JID.parse("romeo@example.org")
JULIET = JID.parse("juliet@example.org")
CREATED = datetime(2024, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
KEYS = {
    "SHA-1": ScramKeys(b"\x00salt\xff", 10_000, b"s" * 20, b"k" * 20),
    "SHA-256": ScramKeys(b"salt", 10_000, bytes(range(32)), b"k" * 32),
}


def account(jid: JID = ROMEO, created: datetime = CREATED) -> AccountRecord:
    return AccountRecord(jid, True, created, KEYS)


def message(number: int, body: str = "hi") -> OfflineMessage:
    stanza = f"<message id='{number}'><body>{body}</body></message>".encode()
    return OfflineMessage(f"{number:08}", CREATED + timedelta(seconds=number), stanza)
