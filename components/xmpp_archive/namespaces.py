"""XML namespaces."""

from __future__ import annotations

from typing import Final

#: Ours: docs/archive-protocol.md.
ARCHIVE: Final = "urn:x-xmpp-server:archive:1"
COMPONENT: Final = "jabber:component:accept"
CLIENT: Final = "jabber:client"
MAM: Final = "urn:xmpp:mam:2"
EXTENDED: Final = f"{MAM}#extended"
RSM: Final = "http://jabber.org/protocol/rsm"
DATA_FORMS: Final = "jabber:x:data"
HINTS: Final = "urn:xmpp:hints"
SID: Final = "urn:xmpp:sid:0"
RECEIPTS: Final = "urn:xmpp:receipts"
MARKERS: Final = "urn:xmpp:chat-markers:0"
CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"
CARBONS: Final = "urn:xmpp:carbons:2"
RETRACT: Final = "urn:xmpp:message-retract:1"
MODERATE: Final = "urn:xmpp:message-moderate:1"
OCCUPANT_ID: Final = "urn:xmpp:occupant-id:0"
