"""RFC 6121 §4.7: presence syntax."""

from collections.abc import Callable

import pytest

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas import presence
from xmpp_server.stanzas.presence import PresenceType
from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

Received = Callable[[str], Stanza]


@pytest.mark.parametrize("member", [member for member in PresenceType if member])
def test_types(received: Received, member: PresenceType) -> None:
    assert presence.presence_type(received(f"<presence type='{member.value}'/>")) is member


def test_no_type_is_available(received: Received) -> None:
    assert presence.presence_type(received("<presence/>")) is PresenceType.AVAILABLE


@pytest.mark.parametrize("written", ["", "available", "Unavailable", "banana"])
def test_an_unknown_type_never_passes_for_available(received: Received, written: str) -> None:
    with pytest.raises(StanzaError) as caught:
        presence.presence_type(received(f"<presence type='{written}'/>"))
    assert caught.value.condition is Condition.BAD_REQUEST


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("5", 5), ("-1", -1), ("+7", 7), ("127", 127), ("-128", -128), (" 5\n", 5), ("0000012", 12)],
)
def test_priority(received: Received, text: str, value: int) -> None:
    assert presence.priority(received(f"<presence><priority>{text}</priority></presence>")) == value


def test_no_priority_is_zero(received: Received) -> None:
    assert presence.priority(received("<presence><priority xmlns='urn:x'>9</priority></presence>")) == 0


@pytest.mark.parametrize("text", ["", "128", "-129", "1.0", "\u0661", "banana", "1" * 5000, "1 1", "--1"])
def test_an_absurd_priority_is_refused(received: Received, text: str) -> None:
    with pytest.raises(StanzaError) as caught:
        presence.priority(received(f"<presence><priority>{text}</priority></presence>"))
    assert caught.value.condition is Condition.BAD_REQUEST


def test_two_priorities_are_refused(received: Received) -> None:
    with pytest.raises(StanzaError):
        presence.priority(received("<presence><priority>1</priority><priority>1</priority></presence>"))


@pytest.mark.parametrize("text", ["away", "chat", "dnd", "xa"])
def test_show(received: Received, text: str) -> None:
    assert presence.show(received(f"<presence><show>{text}</show></presence>")) == text


def test_no_show_is_plainly_available(received: Received) -> None:
    assert presence.show(received("<presence/>")) is None


@pytest.mark.parametrize("text", ["", "online", "AWAY"])
def test_another_show_is_refused(received: Received, text: str) -> None:
    with pytest.raises(StanzaError):
        presence.show(received(f"<presence><show>{text}</show></presence>"))


def test_build() -> None:
    made = presence.build(
        JID.parse("a@c.lit"),
        JID.parse("romeo@montague.lit"),
        PresenceType.UNAVAILABLE,
        id="1",
        status="gone",
        payloads=[Element("x", "urn:x")],
    )
    assert parse(made.wire) == parse(
        b"<presence from='a@c.lit' to='romeo@montague.lit' type='unavailable' id='1'>"
        b"<status>gone</status><x xmlns='urn:x'/></presence>"
    )


def test_available_is_written_without_a_type() -> None:
    made = presence.build(JID.parse("a@c.lit"), JID.parse("romeo@montague.lit"))
    assert parse(made.wire) == parse(b"<presence from='a@c.lit' to='romeo@montague.lit'/>")
