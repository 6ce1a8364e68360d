"""Stanzas as a session hands them over: scanned, stamped, with their addresses parsed."""

from collections.abc import Callable

import pytest

from xmpp_server.jid import JID
from xmpp_server.xml.parser import parse
from xmpp_server.xml.stanza import Stanza, start_tag_end

Received = Callable[[str], Stanza]

ROMEO = JID.parse("romeo@montague.lit/orchard")


@pytest.fixture
def received() -> Received:
    def receive(xml: str) -> Stanza:
        raw = xml.encode()
        tree = parse(raw)
        head_end = start_tag_end(raw, 0)
        plain = b"xmlns" not in raw[:head_end] and "from" not in tree.attrs
        stanza = Stanza(tree.name, tree.ns, tree.attrs, raw, tuple(e.tag for e in tree.elements()), head_end, plain)
        to = tree.attrs.get("to")
        stanza.stamp(ROMEO, None if to is None else JID.parse(to), b" from='" + ROMEO.encoded + b"'")
        return stanza

    return receive
