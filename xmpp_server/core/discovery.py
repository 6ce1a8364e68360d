"""XEP-0030 answers from what was collected about an entity, for the server, its accounts and its services."""

from __future__ import annotations

from xmpp_server.core.hooks import Disco
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DISCO_INFO, DISCO_ITEMS


def info(disco: Disco, node: str) -> Element:
    """Return the answer to a disco#info request for `node` (§3).

    Raises:
        StanzaError: item-not-found; nobody knows the node.

    """
    if disco.node and not disco.identities and not disco.features:
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    query = Element("query", DISCO_INFO)
    if node:
        query.attrs["node"] = node
    for category, kind, name in disco.identities:
        identity = query.add("identity", category=category, type=kind)
        if name:
            identity.attrs["name"] = name
    for feature in sorted(disco.features):
        query.add("feature", var=feature)
    for form in disco.forms:
        query.append(form)
    return query


def items(disco: Disco) -> Element:
    """Return the answer to a disco#items request (§4).

    Raises:
        StanzaError: item-not-found; nobody knows the node (§7).

    """
    if disco.node and not disco.items and not disco.identities and not disco.features:
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    query = Element("query", DISCO_ITEMS)
    if disco.node:
        query.attrs["node"] = disco.node
    for jid, node, name in disco.items:
        item = query.add("item", jid=jid)
        if node:
            item.attrs["node"] = node
        if name:
            item.attrs["name"] = name
    return query
