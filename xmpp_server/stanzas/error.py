"""Stanza errors as XML: RFC 6120 §8.3, with the legacy codes of XEP-0086."""

from __future__ import annotations

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import STANZA_ERRORS
from xmpp_server.xml.stanza import Stanza

#: XEP-0086 §2. Some clients look at nothing else (profanity's OMEMO); later conditions have no code.
LEGACY_CODES = {
    Condition.BAD_REQUEST: "400",
    Condition.CONFLICT: "409",
    Condition.FEATURE_NOT_IMPLEMENTED: "501",
    Condition.FORBIDDEN: "403",
    Condition.GONE: "302",
    Condition.INTERNAL_SERVER_ERROR: "500",
    Condition.ITEM_NOT_FOUND: "404",
    Condition.JID_MALFORMED: "400",
    Condition.NOT_ACCEPTABLE: "406",
    Condition.NOT_ALLOWED: "405",
    Condition.NOT_AUTHORIZED: "401",
    Condition.RECIPIENT_UNAVAILABLE: "404",
    Condition.REDIRECT: "302",
    Condition.REGISTRATION_REQUIRED: "407",
    Condition.REMOTE_SERVER_NOT_FOUND: "404",
    Condition.REMOTE_SERVER_TIMEOUT: "504",
    Condition.RESOURCE_CONSTRAINT: "500",
    Condition.SERVICE_UNAVAILABLE: "503",
    Condition.SUBSCRIPTION_REQUIRED: "407",
    Condition.UNDEFINED_CONDITION: "500",
    Condition.UNEXPECTED_REQUEST: "400",
}

#: A larger payload is not repeated: whoever floods us is not sent the flood back (RFC 6120 §8.3.1 makes it a MAY).
ECHO_BYTES = 16_384


def error_reply(stanza: Stanza, error: StanzaError, by: JID | None = None) -> Stanza | None:
    """Answer `stanza` with an error, or return None if it is one that is never answered.

    The addresses are swapped and the payload is repeated, unless `error.echo` forbids. A stanza without 'to'
    was meant for its sender's own account, which therefore answers (RFC 6120 §10.3). `by` names who detected
    the error, where that is another entity than the one which was addressed.
    """
    if not answerable(stanza):
        return None
    sender = _sender(stanza)
    answerer = stanza.to or sender.bare
    reply = Element(stanza.name, stanza.ns, {"type": "error"})
    for name in ("id", "xml:lang"):
        value = stanza.attrs.get(name)
        if value is not None:
            reply.attrs[name] = value
    repeated = error.echo and len(stanza.raw) <= ECHO_BYTES
    for child in stanza.element.elements() if repeated else ():
        if not (child.name == "error" and child.ns == stanza.ns):
            reply.append(child)
    reply.append(error_element(error, stanza.ns, None if by == answerer else by))
    return Stanza.build(reply, answerer, sender)


def answerable(stanza: Stanza) -> bool:
    """Tell whether an error may answer `stanza`: not an error, nor a result (RFC 6120 §8.3.1, §8.2.3)."""
    return stanza.type != "error" and not (stanza.name == "iq" and stanza.type == "result")


def error_element(error: StanzaError, ns: str, by: JID | None = None) -> Element:
    """Build `<error/>` in the stanza's namespace `ns` (RFC 6120 §8.3.2)."""
    element = Element("error", ns, {"type": error.type.value})
    code = LEGACY_CODES.get(error.condition)
    if code is not None:
        element.attrs["code"] = code
    if by is not None:
        element.attrs["by"] = str(by)
    element.add(error.condition.value, STANZA_ERRORS)
    if error.text:
        text = element.add("text", STANZA_ERRORS, error.text)
        text.attrs["xml:lang"] = "en"
    if error.app is not None:
        name, app_ns = error.app
        element.add(name, app_ns)
    return element


def _sender(stanza: Stanza) -> JID:
    if stanza.sender is None:
        raise ValueError("the stanza has no sender yet")
    return stanza.sender
