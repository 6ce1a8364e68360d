"""Stanzas that go to many: written once, with a gap where the receiver's address goes."""

from __future__ import annotations

import re
from collections.abc import Collection

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELAY, MUC, MUC_USER, OCCUPANT_ID, SID, STANZA_ERRORS
from xmpp_server.xml.stanza import Stanza, has_grown, start_tag_end
from xmpp_server.xml.writer import escape_attr, serialize

_LANG = re.compile(rb"""\sxml:lang\s*=\s*("[^"]*"|'[^']*')""")

ENTRY_TAG = f"{MUC} x"
USER_TAG = f"{MUC_USER} x"
OCCUPANT_ID_TAG = f"{OCCUPANT_ID} occupant-id"
STANZA_ID_TAG = f"{SID} stanza-id"
DELAY_TAG = f"{DELAY} delay"
HATS_TAG = "urn:xmpp:hats:0 hats"
#: What only the room says in presence (XEP-0045 §17.3, XEP-0421 §4, XEP-0317), and what it says to nobody else.
NOT_IN_PRESENCE = frozenset((ENTRY_TAG, USER_TAG, OCCUPANT_ID_TAG, HATS_TAG))
#: What only the room says in messages; ids and delays only if they claim to be the room's.
NOT_IN_MESSAGES = frozenset((USER_TAG, OCCUPANT_ID_TAG))
CLAIMED = {STANZA_ID_TAG: "by", DELAY_TAG: "from"}


class Copies:
    """One stanza for many receivers. `stanza` is what they have in common: it has no `to`."""

    __slots__ = ("head", "stanza", "tail")

    def __init__(self, head: bytes, tail: bytes, stanza: Stanza) -> None:
        self.head = head
        self.tail = tail
        self.stanza = stanza

    def wire(self, to: JID) -> bytes:
        """Return the bytes for one receiver."""
        return self.head + to.encoded + self.tail

    def addressed(self, to: JID) -> Stanza:
        """Return a stanza for one receiver, to be routed."""
        common = self.stanza
        wire = self.wire(to)
        copy = Stanza(common.name, CLIENT, {**common.attrs, "to": str(to)}, wire, common.children, 0, False)
        copy.sender = common.sender
        copy.to = to
        copy.wire = wire
        copy.stable_id = common.stable_id
        return copy


def copies(
    name: str,
    sender: JID,
    inner: bytes,
    tags: tuple[str, ...],
    *,
    kind: str | None = None,
    id: str | None = None,  # noqa: A002 - the attribute's name on the wire
    lang: bytes = b"",
) -> Copies:
    """Make a stanza with the children `inner`, whose tags are `tags`; `lang` is a whole attribute."""
    attrs = {"from": str(sender)}
    start = b"<%b from='%b'" % (name.encode(), sender.encoded)
    if kind is not None:
        attrs["type"] = kind
        start += b" type='%b'" % escape_attr(kind).encode()  # an occupant's private message has any type
    if id is not None:
        attrs["id"] = id
        start += b" id='%b'" % escape_attr(id).encode()
    start += lang
    tail = b">%b</%b>" % (inner, name.encode())
    stanza = Stanza(name, CLIENT, attrs, b"", tags, 0, False)
    stanza.sender = sender
    stanza.wire = start + tail
    return Copies(start + b" to='", b"'" + tail, stanza)


def of_element(element: Element, sender: JID) -> Copies:
    """Make a stanza of the service's own for many receivers."""
    inner = b"".join(serialize(child) for child in element.elements())
    tags = tuple(child.tag for child in element.elements())
    return copies(element.name, sender, inner, tags, kind=element.get("type"), id=element.get("id"))


def lang_of(stanza: Stanza) -> bytes:
    """Return the `xml:lang` attribute of a stamped stanza as it stands in its start tag, or nothing."""
    match = _LANG.search(stanza.wire, 0, start_tag_end(stanza.wire, 0))
    return b"" if match is None else match[0]


def inner_of(stanza: Stanza, without: Collection[str], claimed_by: JID | None = None) -> bytes:
    """Return what stands between the tags of a stamped stanza, less some children.

    Those of `CLAIMED` go too, if they claim to be from `claimed_by`.

    Raises:
        StanzaError: policy-violation; what is left is far longer, written anew.

    """
    tags = stanza.children
    if any(tag in without for tag in tags) or (claimed_by and any(tag in CLAIMED for tag in tags)):
        kept = [child for child in stanza.element.elements() if not _is_left_out(child, without, claimed_by)]
        inner = b"".join(serialize(child) for child in kept)
        if has_grown(stanza.wire, inner):
            raise StanzaError(Condition.POLICY_VIOLATION, "Too many long namespaces", echo=False)
        return inner
    wire = stanza.wire
    begin = start_tag_end(wire, 0)
    return b"" if wire[begin - 2 : begin] == b"/>" else wire[begin : wire.rindex(b"</")]


def inner_of_error(stanza: Stanza) -> bytes:
    """Return what stands between the tags of an error stanza, less what tells who is behind a nickname.

    That is who raised the error, and where somebody has moved to (RFC 6120 §8.3.2, §8.3.3.5, §8.3.3.13).
    """
    children = []
    for child in stanza.element.copy().elements():
        if (child.name, child.ns) == ("error", stanza.ns):
            child.attrs.pop("by", None)
            for condition in child.elements():
                if condition.ns == STANZA_ERRORS and condition.name in ("gone", "redirect"):
                    condition.children = []
        if child.tag not in NOT_IN_MESSAGES:
            children.append(child)
    return b"".join(serialize(child) for child in children)


def tags_of(stanza: Stanza, without: Collection[str]) -> tuple[str, ...]:
    """Return the tags that `inner_of` leaves."""
    return tuple(tag for tag in stanza.children if tag not in without)


def _is_left_out(child: Element, without: Collection[str], claimed_by: JID | None) -> bool:
    tag = child.tag
    if tag in without:
        return True
    attr = CLAIMED.get(tag)
    if attr is None or claimed_by is None:
        return False
    by = child.get(attr)
    if by is None:
        return tag == STANZA_ID_TAG  # a delay may be anybody's
    try:
        return JID.parse(by) == claimed_by  # in whatever spelling
    except JIDMalformed:
        return True  # it names nobody: whose it seems to be is left to the client's imagination


def occupant_id(ident: str) -> bytes:
    """Return `<occupant-id/>` (XEP-0421 §3)."""
    return b"<occupant-id xmlns='%b' id='%b'/>" % (OCCUPANT_ID.encode(), ident.encode())
