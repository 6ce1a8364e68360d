"""Addresses that people type."""

from __future__ import annotations

from slixmpp import JID
from slixmpp.jid import InvalidJID

from components.xmpp_files.network_disk.errors import DiskError, Reason


def bare_jid(text: str) -> str:
    """Return a bare JID as servers compare it; "" for no text.

    Raises:
        DiskError: It is none.

    """
    try:
        return str(JID(text.strip().removeprefix("xmpp:")).bare) if text.strip() else ""
    except InvalidJID:
        raise DiskError(Reason.BAD, f"{text!r} is no address") from None
