"""RFC 6120 §7: resource binding as elements."""

from __future__ import annotations

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.streams import binding
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import BIND, CLIENT
from xmpp_server.xml.stanza import Stanza


def iq(*children: Element, **attrs: str) -> Stanza:
    element = Element("iq", CLIENT, {"type": "set", "id": "b"} | attrs)
    for child in children:
        element.append(child)
    return Stanza.build(element, None, None)


def bind(resource: str | None = None) -> Element:
    element = Element("bind", BIND)
    if resource is not None:
        element.add("resource", text=resource)
    return element


@pytest.mark.parametrize("attrs", [{"type": "get"}, {"type": "result"}, {"type": "error"}, {"type": ""}])
def test_only_a_set_is_a_request(attrs: dict[str, str]) -> None:
    assert binding.is_request(iq(bind()))
    assert not binding.is_request(iq(bind(), **attrs))
    assert not binding.is_request(iq(Element("bind", "urn:x")))
    assert not binding.is_request(iq())


@pytest.mark.parametrize("resource", [None, "", "balcony", " a\u00e9 "])
def test_requested_resource(resource: str | None) -> None:
    assert binding.requested_resource(iq(bind(resource))) == (resource or None)


@pytest.mark.parametrize("request_", [iq(bind(), id=""), iq(bind(), bind())])
def test_bad_requests(request_: Stanza) -> None:
    with pytest.raises(StanzaError) as raised:
        binding.requested_resource(request_)
    assert raised.value.condition is Condition.BAD_REQUEST


def test_result_tells_the_full_jid() -> None:
    assert binding.result(iq(bind(), id="<1>"), JID.parse("juliet@example.org/a'b")) == (
        b"<iq type='result' id='&lt;1&gt;'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        b"<jid>juliet@example.org/a'b</jid></bind></iq>"
    )
