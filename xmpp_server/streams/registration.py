"""XEP-0077 §3.1, XEP-0445: registration before authentication: the only requests that a stream takes of a stranger."""

from __future__ import annotations

from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.element import tag
from xmpp_server.xml.namespaces import PREAUTH, REGISTER
from xmpp_server.xml.stanza import Stanza

_QUERY = tag(REGISTER, "query")
_PREAUTH = tag(PREAUTH, "preauth")


def is_request(iq: Stanza, domain: str) -> bool:
    """Whether the iq asks `domain`, the host of the stream, for registration, or shows it a token for that."""
    asks = (iq.type in ("get", "set") and _QUERY in iq.children) or (iq.type == "set" and _PREAUTH in iq.children)
    return asks and _is_for(iq.attrs.get("to"), domain)


def _is_for(to: str | None, domain: str) -> bool:
    try:
        return to is None or str(JID.parse(to)) == domain
    except JIDMalformed:
        return False
