"""RFC 6120 §8.3: error stanzas."""

from collections.abc import Callable

import pytest

from xmpp_server.errors import Condition, ErrorType, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas.error import ECHO_BYTES, LEGACY_CODES, answerable, error_element, error_reply
from xmpp_server.xml.namespaces import CLIENT, STANZA_ERRORS
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Received = Callable[[str], Stanza]
NOT_FOUND = StanzaError(Condition.ITEM_NOT_FOUND)


def test_swaps_the_addresses_and_repeats_the_payload(received: Received) -> None:
    stanza = received("<iq type='get' id='a' to='j@c.lit'><query xmlns='urn:q'><x/>text</query></iq>")
    reply = error_reply(stanza, NOT_FOUND)
    assert reply is not None
    assert reply.sender == JID.parse("j@c.lit")
    assert reply.to == stanza.sender
    assert parse(reply.wire) == parse(
        b"<iq from='j@c.lit' to='romeo@montague.lit/orchard' type='error' id='a'>"
        b"<query xmlns='urn:q'><x/>text</query>"
        b"<error type='cancel' code='404'>"
        b"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )


def test_a_large_payload_is_not_repeated(received: Received) -> None:
    reply = error_reply(received(f"<message to='j@c.lit' id='a'><body>{'x' * ECHO_BYTES}</body></message>"), NOT_FOUND)
    assert reply is not None
    assert reply.children == ("jabber:client error",)


def test_the_account_answers_what_was_sent_to_nobody(received: Received) -> None:
    reply = error_reply(received("<iq type='get' id='a'><q xmlns='urn:q'/></iq>"), NOT_FOUND)
    assert reply is not None
    assert reply.sender == JID.parse("romeo@montague.lit")


def test_keeps_the_language_and_can_do_without_an_id(received: Received) -> None:
    reply = error_reply(received("<message to='j@c.lit' xml:lang='de'><body>x</body></message>"), NOT_FOUND)
    assert reply is not None
    assert reply.attrs["xml:lang"] == "de"
    assert reply.id is None


def test_a_forged_error_in_the_payload_is_not_repeated(received: Received) -> None:
    stanza = received("<message to='j@c.lit'><error type='auth'/><error xmlns='urn:other'/></message>")
    reply = error_reply(stanza, NOT_FOUND)
    assert reply is not None
    assert reply.children == ("urn:other error", "jabber:client error")


@pytest.mark.parametrize(
    "xml",
    [
        "<message type='error' to='j@c.lit'/>",
        "<presence type='error' to='j@c.lit'/>",
        "<iq type='error' id='a' to='j@c.lit'/>",
        "<iq type='result' id='a' to='j@c.lit'/>",
    ],
)
def test_never_answers_an_error_or_a_result(received: Received, xml: str) -> None:
    assert error_reply(received(xml), NOT_FOUND) is None


def test_a_message_of_unknown_type_result_is_a_normal_one(received: Received) -> None:
    assert answerable(received("<message type='result' to='j@c.lit'/>"))


def test_needs_a_sender() -> None:
    stanza = Stanza("message", CLIENT, {}, b"<message/>", (), 10, True)
    with pytest.raises(ValueError, match="sender"):
        error_reply(stanza, NOT_FOUND)


def test_tells_who_detected_the_error_unless_it_is_who_answers(received: Received) -> None:
    stanza = received("<message to='j@c.lit'/>")
    other = error_reply(stanza, NOT_FOUND, by=JID.parse("montague.lit"))
    same = error_reply(stanza, NOT_FOUND, by=JID.parse("j@c.lit"))
    assert other is not None
    assert same is not None
    assert [e.get("by") for e in other.element.findall("error", CLIENT)] == ["montague.lit"]
    assert [e.get("by") for e in same.element.findall("error", CLIENT)] == [None]


def test_text_and_application_condition() -> None:
    error = StanzaError(Condition.NOT_ACCEPTABLE, "Too <big>", type=ErrorType.WAIT, app=("file-too-large", "urn:app"))
    element = error_element(error, CLIENT)
    assert element.attrs == {"type": "wait", "code": "406"}
    assert [child.tag for child in element.elements()] == [
        f"{STANZA_ERRORS} not-acceptable",
        f"{STANZA_ERRORS} text",
        "urn:app file-too-large",
    ]
    text = element.find("text", STANZA_ERRORS)
    assert text is not None
    assert (text.text, text.get("xml:lang")) == ("Too <big>", "en")


def test_policy_violation_has_no_legacy_code() -> None:
    assert error_element(StanzaError(Condition.POLICY_VIOLATION), CLIENT).get("code") is None
    assert set(Condition) - set(LEGACY_CODES) == {Condition.POLICY_VIOLATION}
