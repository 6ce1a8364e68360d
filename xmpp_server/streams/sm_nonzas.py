"""XEP-0198: Stream Management — the elements that the server writes, as bytes."""

from __future__ import annotations

from xmpp_server.errors import Condition
from xmpp_server.xml.namespaces import SM, STANZA_ERRORS
from xmpp_server.xml.writer import escape_attr

_SM = SM.encode()
_STANZA_ERRORS = STANZA_ERRORS.encode()

#: Asks the client for an <a/>.
REQUEST = b"<r xmlns='%b'/>" % _SM
#: Asks another server to count, without resumption (§3).
ENABLE = b"<enable xmlns='%b'/>" % _SM


def acknowledgement(h: int) -> bytes:
    """Write <a/>, the answer to <r/>."""
    return b"<a xmlns='%b' h='%d'/>" % (_SM, h)


def enabled(sm_id: str | None = None, max_s: int | None = None) -> bytes:
    """Write <enabled/>; with `sm_id` the session can be resumed for `max_s` seconds."""
    if sm_id is None:
        return b"<enabled xmlns='%b'/>" % _SM
    limit = b"" if max_s is None else b" max='%d'" % max_s
    return b"<enabled xmlns='%b' id='%b' resume='true'%b/>" % (_SM, escape_attr(sm_id).encode(), limit)


def resumed(previd: str, h: int) -> bytes:
    """Write <resumed/>; `h` counts what the server handled in the former stream."""
    return b"<resumed xmlns='%b' previd='%b' h='%d'/>" % (_SM, escape_attr(previd).encode(), h)


def failed(condition: Condition, h: int | None = None) -> bytes:
    """Write <failed/>; `h` tells what was handled before a session timed out (XEP-0198 §5)."""
    count = b"" if h is None else b" h='%d'" % h
    cause = condition.value.encode()
    return b"<failed xmlns='%b'%b><%b xmlns='%b'/></failed>" % (_SM, count, cause, _STANZA_ERRORS)
