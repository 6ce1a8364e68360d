"""Stanzas inside stanzas, between the server and its components."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.core.forwarding import address, as_client, wrapped, wrapping
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, COMPONENT
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza

WRAPPER = ("delegation", "urn:xmpp:delegation:2")
HOST, MANAGER = JID.parse("capulet.lit"), JID.parse("pubsub.capulet.lit")


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Z")), max_size=50)


@given(TEXT)
def test_what_is_wrapped_comes_out_again(text: str) -> None:
    inner = Stanza.build(
        Element("iq", CLIENT, {"type": "set", "id": "1"}).append(Element("x", "urn:x", text=text)), HOST, MANAGER
    )
    outer = wrapping("set", "d1", HOST, MANAGER, WRAPPER, inner)
    assert (outer.id, outer.type, outer.sender, outer.to) == ("d1", "set", HOST, MANAGER)
    found = wrapped(outer, WRAPPER)
    assert found is not None
    assert (found.ns, found.get("from"), found.get("id")) == (CLIENT, "capulet.lit", "1")
    assert found.first is not None
    assert found.first.text == text


def test_the_namespace_of_components_becomes_that_of_clients_but_not_inside_others() -> None:
    xml = f"<message xmlns='{COMPONENT}'><body>hi</body><x xmlns='urn:x'><body xmlns='{COMPONENT}'/></x></message>"
    message = as_client(parse(xml.encode()))
    assert message.ns == CLIENT
    assert [child.ns for child in message.elements()] == [CLIENT, "urn:x"]
    other = parse(b"<x xmlns='urn:x'/>")
    assert as_client(other) is other


def test_addresses() -> None:
    element = Element("iq", CLIENT, {"to": "a@b", "from": "@@"})
    assert [address(element, name) for name in ("to", "from", "by")] == [JID.parse("a@b"), None, None]
