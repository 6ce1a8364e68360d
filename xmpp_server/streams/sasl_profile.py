"""RFC 6120 §6.4: how SASL travels in a stream — base64 in, elements out."""

from __future__ import annotations

import binascii

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.namespaces import SASL
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_text

#: A zero-length message where an empty element would mean "no message" (RFC 6120 §6.4.2).
_EMPTY = "="


def initial_response(auth: Stanza) -> bytes | None:
    """Return the message that came with <auth/>, or None if none did.

    Raises:
        SaslError: `incorrect-encoding`.

    """
    text = auth.text
    return _decode(text) if text else None


def response(element: Stanza) -> bytes:
    """Return the message of a <response/>; empty and "=" are the same here.

    Raises:
        SaslError: `incorrect-encoding`.

    """
    return _decode(element.text)


def challenge(data: bytes) -> bytes:
    """Write <challenge/>."""
    return _element("challenge", _encode(data))


def auth(mechanism: str, data: bytes) -> bytes:
    """Write <auth/> with an initial response (RFC 6120 §6.4.2)."""
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{_encode(data) or _EMPTY}</auth>".encode()


def answer(data: bytes) -> bytes:
    """Write <response/> (RFC 6120 §6.4.4)."""
    return _element("response", _encode(data))


def success(data: bytes | None) -> bytes:
    """Write <success/>, with additional data if there are any (RFC 6120 §6.4.6)."""
    return _element("success", "" if data is None else _encode(data) or _EMPTY)


def failure(error: SaslError) -> bytes:
    """Write <failure/> (RFC 6120 §6.4.5)."""
    text = f"<text xml:lang='en'>{escape_text(error.text)}</text>" if error.text else ""
    return _element("failure", f"<{error.condition.value}/>{text}")


def _element(name: str, content: str) -> bytes:
    if not content:
        return f"<{name} xmlns='{SASL}'/>".encode()
    return f"<{name} xmlns='{SASL}'>{content}</{name}>".encode()


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _decode(text: str) -> bytes:
    """Decode base64 strictly: only what an encoder writes, no white space, no surplus padding (RFC 6120 §6.4)."""
    if text == _EMPTY:
        return b""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or a character beyond ASCII
        data = None
    if data is None or _encode(data) != text:
        raise SaslError(SaslCondition.INCORRECT_ENCODING, "Not base64")
    return data


def authorized_domain(authzid: bytes) -> str:
    """Return the domain that a server wants to be taken for (XEP-0178 §3).

    Raises:
        SaslError: `invalid-authzid`: it is none.

    """
    try:
        wanted = JID.parse(authzid.decode())
    except (UnicodeDecodeError, JIDMalformed):
        raise SaslError(SaslCondition.INVALID_AUTHZID) from None
    if not wanted.is_domain:
        raise SaslError(SaslCondition.INVALID_AUTHZID)
    return wanted.domainpart
