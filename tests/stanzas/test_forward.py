"""XEP-0297: forwarding."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from xmpp_server.jid import JID
from xmpp_server.stanzas import message
from xmpp_server.stanzas.delay import Delay
from xmpp_server.stanzas.forward import Forwarded, forwarded_bytes
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, FORWARD
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Received = Callable[[str], Stanza]
DELAY = Delay(datetime(2010, 7, 10, 23, 8, 25, tzinfo=UTC))
WRAPPED = (
    b"<forwarded xmlns='urn:xmpp:forward:0'>%b<message xmlns='jabber:client' "
    b"from='romeo@montague.lit/orchard' to='j@c.lit' type='chat'><body>hi</body></message></forwarded>"
)
NOTE = b"<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>"


@pytest.mark.parametrize(
    "xml",
    [
        "<message to='j@c.lit' type='chat'><body>hi</body></message>",
        "<message xmlns='jabber:client' to='j@c.lit' type='chat'><body>hi</body></message>",
        "<message from='forged@evil.lit' to='j@c.lit' type='chat'><body>hi</body></message>",
    ],
)
def test_the_stanza_keeps_its_namespace(received: Received, xml: str) -> None:
    stanza = received(xml)
    assert parse(forwarded_bytes(stanza)) == parse(WRAPPED % b"")
    assert parse(forwarded_bytes(stanza, DELAY)) == parse(WRAPPED % NOTE)


def test_an_attribute_that_needs_a_prefix(received: Received) -> None:
    stanza = received("<message to='j@c.lit' xmlns:n='urn:n' n:a=\"1\"><body>hi</body></message>")
    inner = parse(forwarded_bytes(stanza)).first
    assert inner is not None
    assert inner.tag == "jabber:client message"
    assert inner.get("urn:n a") == "1"


def test_bytes_and_tree_say_the_same() -> None:
    stanza = message.build(JID.parse("c.lit"), JID.parse("j@c.lit"), id=" xmlns=' > ", body="a > b")
    assert parse(forwarded_bytes(stanza, DELAY)) == Forwarded(stanza.element, DELAY).to_element()


def test_of() -> None:
    inner = Element("message", CLIENT, {"id": "1"})
    outer = Element("sent", "urn:xmpp:carbons:2")
    assert Forwarded.of(outer) is None
    outer.append(Forwarded(inner, DELAY).to_element())
    assert Forwarded.of(outer) == Forwarded(inner, DELAY)


def test_no_delay_is_written_where_none_is_told() -> None:
    inner = Element("message", CLIENT)
    assert Forwarded(inner).to_element() == Element("forwarded", FORWARD).append(inner)


def test_exactly_one_stanza() -> None:
    outer = Element("sent", "urn:xmpp:carbons:2")
    wrapper = outer.add("forwarded", FORWARD)
    wrapper.add("message")  # not a stanza: it is in the wrapper's namespace
    assert Forwarded.of(outer) is None
    wrapper.add("message", CLIENT)
    assert Forwarded.of(outer) == Forwarded(Element("message", CLIENT))
    wrapper.add("message", CLIENT)
    assert Forwarded.of(outer) is None
