"""Which messages are worth an entry: by type, hints, and what is in them (XEP-0313 §5.1.1)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from components.xmpp_archive.namespaces import (
    CARBONS,
    CHAT_STATES,
    CLIENT,
    HINTS,
    MAM,
    MARKERS,
    RECEIPTS,
    SID,
)
from components.xmpp_archive.settings import Rules

_FORBIDDEN = frozenset({f"{{{HINTS}}}no-store", f"{{{HINTS}}}no-permanent-store"})
_STORE = f"{{{HINTS}}}store"
_BODY = f"{{{CLIENT}}}body"
#: What is of use for a moment only, or says how to treat the rest.
_TRANSIENT = (f"{{{CHAT_STATES}}}", f"{{{HINTS}}}", f"{{{SID}}}", f"{{{CARBONS}}}private", f"{{{CLIENT}}}thread")
#: Copies of what has an entry already.
_COPIES = (f"{{{CARBONS}}}received", f"{{{CARBONS}}}sent", f"{{{MAM}}}result")


def is_kept(message: ET.Element, rules: Rules) -> bool:
    """Tell whether a message of jabber:client belongs in an archive."""
    kind = message.get("type") or "normal"
    if kind == "error":
        return False
    tags = [child.tag for child in message]
    if any(tag in _FORBIDDEN for tag in tags):
        return False
    if _STORE in tags:
        return True
    if kind == "headline" and not rules.headlines:
        return False
    if any(tag.startswith(_COPIES) for tag in tags):
        return False
    if _BODY in tags:
        return True
    telling = [tag for tag in tags if not tag.startswith(_TRANSIENT)]
    if not rules.receipts:
        telling = [tag for tag in telling if not tag.startswith(f"{{{RECEIPTS}}}")]
    if not rules.markers:
        telling = [tag for tag in telling if not tag.startswith(f"{{{MARKERS}}}")]
    # Encrypted bodies, invitations, calls, reactions, corrections and what nobody has thought of yet.
    return bool(telling)
