"""RFC 6120 §4.7: the stream header — judging the client's, writing the answer, errors and the closing tag."""

from __future__ import annotations

import re

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.namespaces import CLIENT, STREAM, STREAM_ERRORS
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.writer import escape_attr, escape_text

CLOSING_TAG = b"</stream:stream>"

_VERSION = re.compile(r"([0-9]{1,6})\.[0-9]{1,6}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7}")
_SERVER_LANGUAGE = "en"


def check_namespace(header: StreamHeader) -> None:
    """Refuse a stream whose content is not `jabber:client` (RFC 6120 §4.8.3).

    Raises:
        StreamError: `invalid-namespace`.

    """
    if header.default_ns != CLIENT and CLIENT not in header.namespaces.values():
        raise StreamError(StreamCondition.INVALID_NAMESPACE, "Only jabber:client is spoken here")


def check_version(header: StreamHeader) -> None:
    """Refuse a client older than XMPP 1.0, which would expect no features (RFC 6120 §4.7.5).

    A newer one is answered with "1.0", the highest version known here.

    Raises:
        StreamError: `unsupported-version`.

    """
    match = _VERSION.fullmatch(header.attrs.get("version", ""))
    if match is None or int(match[1]) < 1:
        raise StreamError(StreamCondition.UNSUPPORTED_VERSION, "Version 1.0 is needed")


def addressed_domain(header: StreamHeader) -> str | None:
    """Return the prepared domain of the header's `to`, or None if it is missing or no domain."""
    address = _address(header, "to")
    return address.domainpart if address is not None and address.is_domain else None


def initiator(header: StreamHeader) -> JID | None:
    """Return who the client says it is; before authentication that is no more than a wish (RFC 6120 §4.7.1)."""
    return _address(header, "from")


def language(header: StreamHeader) -> str | None:
    """Return the default language of what the client will send, if it states a likely one (RFC 6120 §4.7.4)."""
    lang = header.attrs.get("xml:lang", "")
    return lang if _LANGUAGE.fullmatch(lang) else None


def response(domain: str, stream_id: str, to: JID | None = None) -> bytes:
    """Write the server's header; `to` repeats the client's `from` (RFC 6120 §4.7.2)."""
    target = "" if to is None else f" to='{escape_attr(str(to))}'"
    return (
        "<?xml version='1.0'?>"
        f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' id='{escape_attr(stream_id)}'"
        f" from='{escape_attr(domain)}'{target} version='1.0' xml:lang='{_SERVER_LANGUAGE}'>"
    ).encode()


def error(cause: StreamError) -> bytes:
    """Write <stream:error/> (RFC 6120 §4.9.2); the text of `see-other-host` is the other address (§4.9.3.19)."""
    name, text = cause.condition.value, escape_text(cause.text)
    if not text:
        content = f"<{name} xmlns='{STREAM_ERRORS}'/>"
    elif cause.condition is StreamCondition.SEE_OTHER_HOST:
        content = f"<{name} xmlns='{STREAM_ERRORS}'>{text}</{name}>"
    else:
        content = (
            f"<{name} xmlns='{STREAM_ERRORS}'/>"
            f"<text xmlns='{STREAM_ERRORS}' xml:lang='{_SERVER_LANGUAGE}'>{text}</text>"
        )
    return b"<stream:error>%b%b</stream:error>" % (content.encode(), cause.app_xml)


def _address(header: StreamHeader, name: str) -> JID | None:
    try:
        return JID.parse(header.attrs[name])
    except (KeyError, JIDMalformed):
        return None
