"""RFC 6120 §8.2.3: IQ semantics."""

from collections.abc import Callable

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas import iq
from xmpp_server.stanzas.iq import IqType
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Received = Callable[[str], Stanza]


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<iq type='get' id='a'><q xmlns='urn:q'/></iq>", IqType.GET),
        ("<iq type='set' id='a'><q xmlns='urn:q'/></iq>", IqType.SET),
        ("<iq type='result' id='a'/>", IqType.RESULT),
        ("<iq type='result' id='a'><q xmlns='urn:q'/></iq>", IqType.RESULT),
        ("<iq type='error' id='a'><q xmlns='urn:q'/><error type='cancel'/></iq>", IqType.ERROR),
    ],
)
def test_well_shaped(received: Received, xml: str, expected: IqType) -> None:
    assert iq.iq_type(received(xml)) is expected


@pytest.mark.parametrize(
    "xml",
    [
        "<iq id='a'><q xmlns='urn:q'/></iq>",
        "<iq type='GET' id='a'><q xmlns='urn:q'/></iq>",
        "<iq type='get'><q xmlns='urn:q'/></iq>",
        "<iq type='get' id=''><q xmlns='urn:q'/></iq>",
        "<iq type='get' id='a'/>",
        "<iq type='set' id='a'><q xmlns='urn:q'/><q xmlns='urn:q'/></iq>",
        "<iq type='result' id='a'><q xmlns='urn:q'/><q xmlns='urn:q'/></iq>",
    ],
)
def test_misshaped(received: Received, xml: str) -> None:
    with pytest.raises(StanzaError) as caught:
        iq.iq_type(received(xml))
    assert caught.value.condition is Condition.BAD_REQUEST


def test_payload(received: Received) -> None:
    assert iq.payload(received("<iq type='get' id='a'> <q xmlns='urn:q'/></iq>")) == Element("q", "urn:q")
    with pytest.raises(StanzaError):
        iq.payload(received("<iq type='get' id='a'/>"))


def test_result_comes_from_whom_was_asked(received: Received) -> None:
    answer = iq.result(
        received("<iq type='get' id='a&amp;b' to='c.lit'><q xmlns='urn:q'/></iq>"), Element("q", "urn:q")
    )
    assert parse(answer.wire) == parse(
        b"<iq type='result' id='a&amp;b' from='c.lit' to='romeo@montague.lit/orchard'><q xmlns='urn:q'/></iq>"
    )


def test_result_of_the_own_account_may_be_empty(received: Received) -> None:
    answer = iq.result(received("<iq type='set' id='a'><q xmlns='urn:q'/></iq>"))
    assert parse(answer.wire) == parse(
        b"<iq type='result' id='a' from='romeo@montague.lit' to='romeo@montague.lit/orchard'/>"
    )


def test_result_needs_a_sender() -> None:
    with pytest.raises(ValueError, match="sender"):
        iq.result(Stanza("iq", CLIENT, {"type": "get"}, b"<iq type='get'/>", (), 16, True))


def test_request() -> None:
    push = iq.request(
        IqType.SET,
        JID.parse("romeo@montague.lit"),
        JID.parse("romeo@montague.lit/orchard"),
        "push1",
        Element("query", "jabber:iq:roster"),
    )
    assert (push.type, push.id, push.children) == ("set", "push1", ("jabber:iq:roster query",))
    assert push.wire.startswith(b"<iq from='romeo@montague.lit' to='romeo@montague.lit/orchard'")
