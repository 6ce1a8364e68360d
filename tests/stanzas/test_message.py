"""RFC 6121 §5: messages."""

from collections.abc import Callable

import pytest

from xmpp_server.jid import JID
from xmpp_server.stanzas import message
from xmpp_server.stanzas.message import MessageType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Received = Callable[[str], Stanza]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("", MessageType.NORMAL),
        ("type=''", MessageType.NORMAL),
        ("type='banana'", MessageType.NORMAL),
        *((f"type='{member.value}'", member) for member in MessageType),
    ],
)
def test_an_unknown_type_means_normal(received: Received, attribute: str, expected: MessageType) -> None:
    assert message.message_type(received(f"<message {attribute}/>")) is expected


def test_body(received: Received) -> None:
    assert message.body(received("<message><body>a&lt;<b/>b</body><body>c</body></message>")) == "a<b"
    assert message.body(received("<message><body/></message>")) == ""
    assert message.body(received("<message><body xmlns='urn:x'>a</body></message>")) is None


def test_a_body_that_the_tree_lacks_is_none() -> None:
    stanza = Stanza("message", CLIENT, {}, b"<message/>", ("jabber:client body",), 10, True)
    assert message.body(stanza) is None


def test_build() -> None:
    made = message.build(
        JID.parse("c.lit"),
        JID.parse("romeo@montague.lit"),
        type=MessageType.HEADLINE,
        id="1",
        subject="s",
        body="a < b",
        payloads=[Element("x", "urn:x")],
    )
    assert parse(made.wire) == parse(
        b"<message from='c.lit' to='romeo@montague.lit' type='headline' id='1'>"
        b"<subject>s</subject><body>a &lt; b</body><x xmlns='urn:x'/></message>"
    )


def test_build_the_least() -> None:
    made = message.build(JID.parse("c.lit"), JID.parse("romeo@montague.lit"))
    assert parse(made.wire) == parse(b"<message from='c.lit' to='romeo@montague.lit' type='normal'/>")
