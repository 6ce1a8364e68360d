"""RFC 6120 §8.2.3: the answers to requests that the stream itself takes, from a client that has no address yet."""

from __future__ import annotations

from xmpp_server.errors import StanzaError
from xmpp_server.stanzas.error import error_element
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import serialize


def result(request: Stanza, payload: Element | None = None) -> bytes:
    """Write a result."""
    return _answer(request, "result", payload)


def refusal(request: Stanza, error: StanzaError) -> bytes:
    """Write an error; the payload is not repeated."""
    return _answer(request, "error", error_element(error, CLIENT))


def _answer(request: Stanza, kind: str, payload: Element | None) -> bytes:
    attrs = {"type": kind}
    if request.id is not None:
        attrs["id"] = request.id
    answer = Element("iq", CLIENT, attrs)
    if payload is not None:
        answer.append(payload)
    return serialize(answer)
