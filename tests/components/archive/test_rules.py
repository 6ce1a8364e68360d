"""What is worth an entry."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from components.xmpp_archive.rules import is_kept
from components.xmpp_archive.settings import Rules

STORE = "<store xmlns='urn:xmpp:hints'/>"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
STATE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='a'/>"
MARKER = "<displayed xmlns='urn:xmpp:chat-markers:0' id='a'/>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>"
COPY = "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>"


@pytest.mark.parametrize(
    ("kind", "inside", "kept"),
    [
        ("chat", "<body>hi</body>", True),
        ("", "<body>hi</body>", True),
        ("error", "<body>hi</body>" + STORE, False),
        ("groupchat", "<body>hi</body>", True),
        ("headline", "<body>hi</body>", False),
        ("headline", "<body>hi</body>" + STORE, True),
        ("chat", "<body>hi</body>" + NO_STORE, False),
        ("chat", "<body>hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>", False),
        ("chat", STATE, False),
        ("chat", STATE + "<thread>1</thread><no-copy xmlns='urn:xmpp:hints'/>", False),
        ("chat", STATE + STORE, True),
        ("chat", RECEIPT, True),
        ("chat", MARKER + STATE, True),
        ("chat", OMEMO, True),
        ("chat", COPY, False),
        ("chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='a'/>", True),
        ("chat", "", False),
    ],
)
def test_kinds(kind: str, inside: str, kept: bool) -> None:
    message = ET.fromstring(f"<message xmlns='jabber:client'>{inside}</message>")
    if kind:
        message.set("type", kind)
    assert is_kept(message, Rules()) is kept


def test_options() -> None:
    for inside, rules in ((RECEIPT, Rules(receipts=False)), (MARKER, Rules(markers=False))):
        assert not is_kept(ET.fromstring(f"<message xmlns='jabber:client'>{inside}</message>"), rules)
