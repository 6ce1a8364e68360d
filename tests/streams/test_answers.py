"""RFC 6120 §8.2.3: answers to clients without an address."""

from __future__ import annotations

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.streams import answers
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import BIND, CLIENT, REGISTER
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza


def request(**attrs: str) -> Stanza:
    return Stanza.build(Element("iq", CLIENT, {"type": "set", **attrs}).append(Element("bind", BIND)), None, None)


def test_result_repeats_the_id() -> None:
    assert answers.result(request(id="<1>")) == b"<iq type='result' id='&lt;1&gt;'/>"
    assert answers.result(request()) == b"<iq type='result'/>"


def test_result_with_a_payload() -> None:
    answer = parse(answers.result(request(id="1"), Element("query", REGISTER)))
    assert [child.tag for child in answer.elements()] == [f"{REGISTER} query"]


def test_refusal_is_a_stanza_error() -> None:
    app = ("resource-limit-exceeded", "urn:xmpp:errors")
    error = StanzaError(Condition.RESOURCE_CONSTRAINT, "Too many", app=app)
    answer = parse(answers.refusal(request(id="b"), error))
    assert answer.attrs == {"type": "error", "id": "b"}
    assert answer.first is not None
    assert [child.name for child in answer.first.elements()] == ["resource-constraint", "text", app[0]]
