"""XEP-0297: Stanza Forwarding."""

from __future__ import annotations

from dataclasses import dataclass

from xmpp_server.stanzas.delay import Delay
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, FORWARD
from xmpp_server.xml.stanza import Stanza, start_tag_end
from xmpp_server.xml.writer import serialize

STANZA_NAMES = frozenset(("message", "presence", "iq"))
_OPEN = f"<forwarded xmlns='{FORWARD}'>".encode()
_CLOSE = b"</forwarded>"
_DECLARED = f" xmlns='{CLIENT}'".encode()


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A stanza inside another one; never to be handled as if it had been received itself (XEP-0297 §5)."""

    stanza: Element
    delay: Delay | None = None

    def to_element(self) -> Element:
        """Return `<forwarded/>`; the stanza is shared, not copied."""
        element = Element("forwarded", FORWARD)
        if self.delay is not None:
            element.append(self.delay.to_element())
        return element.append(self.stanza)

    @classmethod
    def of(cls, parent: Element) -> Forwarded | None:
        """Return what the first `<forwarded/>` child of `parent` holds, if that is exactly one stanza."""
        element = parent.find("forwarded", FORWARD)
        if element is None:
            return None
        stanzas = [child for child in element.elements() if child.name in STANZA_NAMES and child.ns != FORWARD]
        return cls(stanzas[0], Delay.of(element)) if len(stanzas) == 1 else None


def forwarded_bytes(stanza: Stanza, delay: Delay | None = None) -> bytes:
    """Return `<forwarded/>` around the bytes of a stamped stanza: what carbons and archives splice in.

    The stanza keeps its namespace, hence is declared to be of jabber:client here, where the default namespace
    is another one (XEP-0297 §3).
    """
    note = b"" if delay is None else serialize(delay.to_element())
    return b"".join((_OPEN, note, declared(stanza), _CLOSE))


def declared(stanza: Stanza) -> bytes:
    """Return the bytes of a stamped stanza with its namespace declared, for where another is the default."""
    wire = stanza.wire
    if stanza.plain or b"xmlns" not in wire[: start_tag_end(wire, 0)]:
        # Nothing is in the way of the declaration, and bytes which are written once are shared by all copies.
        at = 1 + len(stanza.name)
        return b"".join((wire[:at], _DECLARED, wire[at:]))
    return serialize(stanza.element, default_ns=FORWARD)
