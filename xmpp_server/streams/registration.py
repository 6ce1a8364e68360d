"""XEP-0077 §3.1: in-band registration before authentication — the one request that a stream takes of a stranger."""

from __future__ import annotations

from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.element import tag
from xmpp_server.xml.namespaces import REGISTER
from xmpp_server.xml.stanza import Stanza

_QUERY = tag(REGISTER, "query")


def is_request(iq: Stanza, domain: str) -> bool:
    """Whether the iq asks `domain`, the host of the stream, for registration."""
    return iq.type in ("get", "set") and _QUERY in iq.children and _is_for(iq.attrs.get("to"), domain)


def _is_for(to: str | None, domain: str) -> bool:
    try:
        return to is None or str(JID.parse(to)) == domain
    except JIDMalformed:
        return False
