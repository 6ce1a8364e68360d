"""RFC 6121 §2: roster items as XML, and what a client may set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.subscriptions import UNLISTED
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.storage.api import RosterItem
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import ROSTER

#: §2.3.3: a name or group longer than what the server allows is not acceptable. Bytes of UTF-8.
TEXT_BYTES: Final = 1023
GROUPS: Final = 100


@dataclass(frozen=True, slots=True)
class RosterSet:
    """What a client wants of one contact; `remove` makes the rest meaningless."""

    jid: JID
    name: str
    groups: tuple[str, ...]
    remove: bool


def read_set(query: Element) -> RosterSet:
    """Read the payload of a roster set; 'ask', 'approved' and any 'subscription' but "remove" are ignored (§2.1.5).

    Raises:
        StanzaError: as §2.3.3 says.

    """
    items = list(query.elements())
    if len(items) != 1 or (items[0].name, items[0].ns) != ("item", ROSTER):
        raise StanzaError(Condition.BAD_REQUEST, "A roster set has exactly one item")
    item = items[0]
    address = item.get("jid")
    if address is None:
        raise StanzaError(Condition.BAD_REQUEST, "A roster item has a jid")
    try:
        jid = JID.parse(address).bare
    except JIDMalformed:
        raise StanzaError(Condition.JID_MALFORMED) from None
    if item.get("subscription") == "remove":
        return RosterSet(jid, "", (), True)
    name = item.get("name") or ""
    groups = tuple(group.text for group in item.findall("group", ROSTER))
    if len(set(groups)) < len(groups):
        raise StanzaError(Condition.BAD_REQUEST, "A group is named twice")
    if not all(groups):
        raise StanzaError(Condition.NOT_ACCEPTABLE, "A group needs a name")
    if len(groups) > GROUPS or any(len(text.encode()) > TEXT_BYTES for text in (name, *groups)):
        raise StanzaError(Condition.NOT_ACCEPTABLE, f"At most {GROUPS} groups, and {TEXT_BYTES} bytes a name")
    return RosterSet(jid, name, groups, False)


def is_listed(item: RosterItem | None) -> bool:
    """Tell whether an item is an entry of the roster; one that only keeps a request is not (§3.1.3)."""
    return item is not None and item.subscription != UNLISTED


def looks_the_same(one: RosterItem | None, other: RosterItem | None) -> bool:
    """Tell whether two versions of an item are the same to the user's clients."""
    return _shown(one) == _shown(other)


def _shown(item: RosterItem | None) -> object:
    if item is None or item.subscription == UNLISTED:
        return None
    return item.name, item.subscription, item.ask, item.approved, item.groups


def item_element(item: RosterItem) -> Element:
    """Write an entry (§2.1.2)."""
    element = Element("item", ROSTER, {"jid": str(item.jid)})
    attrs = element.attrs
    if item.name:
        attrs["name"] = item.name
    attrs["subscription"] = item.subscription
    if item.ask:
        attrs["ask"] = "subscribe"
    if item.approved:
        attrs["approved"] = "true"
    for group in item.groups:
        element.add("group", text=group)
    return element


def removed_element(jid: JID) -> Element:
    """Write what a push says of an entry that is gone (§2.5.2)."""
    return Element("item", ROSTER, {"jid": str(jid), "subscription": "remove"})


def query_element(items: Iterable[Element], version: str | None) -> Element:
    """Write `<query/>` around entries, with the version unless it is None (§2.6)."""
    query = Element("query", ROSTER)
    if version is not None:
        query.attrs["ver"] = version
    query.children.extend(items)
    return query
