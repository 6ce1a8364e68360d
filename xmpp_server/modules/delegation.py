"""XEP-0355: Namespace Delegation: components answer requests to the host and to its accounts."""

from __future__ import annotations

from functools import partial

from xmpp_server.core.component import Component
from xmpp_server.core.component_line import Line
from xmpp_server.core.forwarding import address, wrapped, wrapping
from xmpp_server.core.grants import Delegation as Grant
from xmpp_server.core.host import Host
from xmpp_server.core.module import Disco, IqRequest, IqType, Module, Order, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.stanzas import iq as iqs
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DATA_FORMS, DELEGATION, DISCO_INFO, DISCO_ITEMS
from xmpp_server.xml.stanza import Stanza

#: Disco nodes of a component: what to say of the host, and of accounts (§7.2).
SERVER_NODE = f"{DELEGATION}::"
BARE_NODE = f"{DELEGATION}:bare:"
#: What stands for a namespace where disco requests for unknown nodes of accounts are delegated (§7.2.4, §7.2.5).
BARE_INFO = f"{BARE_NODE}disco#info:*"
BARE_ITEMS = f"{BARE_NODE}disco#items:*"
#: Answered within this, or never.
DISCO_TIMEOUT_S = 60.0
#: So many features, identities and forms of a component are taken.
NESTED = 500

_WRAPPER = ("delegation", DELEGATION)


class Nested:
    """What a component wants to be said in its place."""

    def __init__(self, query: Element) -> None:
        self.identities = [
            (one.get("category") or "", one.get("type") or "", one.get("name") or "")
            for one in list(query.findall("identity", DISCO_INFO))[:NESTED]
        ]
        self.features = {var for one in query.findall("feature", DISCO_INFO) if (var := one.get("var"))}
        self.forms = list(query.findall("x", DATA_FORMS))[:NESTED]


class Delegation(Module):
    """Hands requests in the namespaces that the configuration delegates to their components.

    Requests do not wait for one another here: an answer may come after those of later requests (§9).
    """

    name = "delegation"
    xeps = (
        Xep(355, "0.5", "granted by the configuration only (admin mode); errors inside an answer are passed on, too"),
    )
    features = (DELEGATION,)

    def register(self, host: Host) -> None:
        """Put delegated namespaces before the host's own handlers."""
        self._host = host
        self._managers: dict[str, tuple[Component, Grant]] = {
            grant.namespace: (component, grant)
            for component in host.router.components.all
            for grant in component.grants.delegations
        }
        #: By node.
        self._nested: dict[str, Nested] = {}
        if not self._managers:
            return
        host.hooks.iq_request.add(self.forward, Order.POLICY)
        host.hooks.server_disco.add(partial(self._nest, SERVER_NODE))
        host.hooks.account_disco.add(partial(self._nest, BARE_NODE))
        host.router.components.connected.add(self.announce)

    # Requests.

    def forward(self, request: IqRequest) -> bool:
        """Send a request in a delegated namespace to its manager (§4.3)."""
        found = self._manager(request)
        if found is None:
            return False
        component, grant = found
        sender, to = request.sender, request.to
        if to.resourcepart is not None or (to.localpart is not None and request.account is None):
            return False
        if any(request.payload.get(name) is None for name in grant.attributes):
            return False
        if sender.domainpart in {domain.domainpart for domain in component.domains}:  # §4.3.1
            return False
        limits = component.limits
        iq = wrapping("set", self._host.iqs.new_id(), self._host.jid, component.jid, _WRAPPER, request.stanza)
        self._host.iqs.send(iq, partial(self._answered, request), limits.away_s + limits.answer_s + 5)
        return True

    def _manager(self, request: IqRequest) -> tuple[Component, Grant] | None:
        namespace = request.payload.ns
        if namespace in self._managers:
            return self._managers[namespace]
        if request.account is None or request.type is not IqType.GET:
            return None
        if namespace == DISCO_INFO and BARE_INFO in self._managers and not self._knows_node(request):
            return self._managers[BARE_INFO]
        if namespace == DISCO_ITEMS and BARE_ITEMS in self._managers and not self._knows_items(request):
            return self._managers[BARE_ITEMS]
        return None

    def _knows_node(self, request: IqRequest) -> bool:
        node = request.payload.get("node") or ""
        return not node or bool(self._described(request, node).identities or self._described(request, node).features)

    def _knows_items(self, request: IqRequest) -> bool:
        node = request.payload.get("node") or ""
        return bool(node) and bool(self._described(request, node).items)

    def _described(self, request: IqRequest, node: str) -> Disco:
        return self._host.hooks.account_disco.gather(Disco(request.to, request.sender, node, request.account))

    def _answered(self, request: IqRequest, reply: Stanza | None) -> None:
        """Give the requester what the component has answered, if it fits the request; an error otherwise."""
        asked = request.stanza
        answer = None if reply is None or reply.type != IqType.RESULT else wrapped(reply, _WRAPPER)
        router = self._host.router
        assert asked.sender is not None  # noqa: S101 - stamped
        own = asked.to or asked.sender.bare
        if answer is None or not _fits(answer, asked, own):
            wait = router.reject(asked, StanzaError(Condition.SERVICE_UNAVAILABLE))
        else:
            wait = router.route(Stanza.build(answer, own, asked.sender))
        if wait is not None:
            self._host.runtime.spawn(router.guard(asked, wait), "delegation")

    # What the component is told, and what it tells of itself.

    def announce(self, line: Line) -> None:
        """Tell a component what is delegated to it, and ask what it wants to be said of that (§4.2, §7.2)."""
        grants = line.component.grants.delegations
        if not grants:
            return
        message = Element("message", CLIENT, {"id": self._host.ids.new()})
        delegation = message.add("delegation", DELEGATION)
        for grant in grants:
            delegated = delegation.add("delegated", namespace=grant.namespace)
            for name in grant.attributes:
                delegated.add("attribute", name=name)
        line.send(Stanza.build(message, self._host.jid, line.domain))
        for grant in grants:
            if not grant.namespace.startswith(BARE_NODE):
                for node in (SERVER_NODE + grant.namespace, BARE_NODE + grant.namespace):
                    self._ask(line.component.jid, node)

    def _ask(self, component: JID, node: str) -> None:
        query = Element("query", DISCO_INFO, {"node": node})
        request = iqs.request(IqType.GET, self._host.jid, component, self._host.iqs.new_id(), query)
        self._host.iqs.send(request, partial(self._told, node), DISCO_TIMEOUT_S)

    def _told(self, node: str, reply: Stanza | None) -> None:
        query = None if reply is None or reply.type != IqType.RESULT else reply.element.find("query", DISCO_INFO)
        if query is not None:
            self._nested[node] = Nested(query)
            self._host.hooks.disco_changed.fire(self._host.jid)

    def _nest(self, prefix: str, disco: Disco) -> None:
        """Put what components say of their namespaces in the place of what the host would say (§7.2.1)."""
        if disco.node:
            return
        for namespace in self._managers:
            nested = self._nested.get(prefix + namespace)
            if nested is None:
                continue
            inner = f"{namespace}#"
            disco.features -= {name for name in disco.features if name == namespace or name.startswith(inner)}
            disco.features |= nested.features
            disco.identities += nested.identities
            disco.forms += nested.forms


def _fits(answer: Element, asked: Stanza, own: JID) -> bool:
    """§4.3: addresses and id are those of the request, the other way round."""
    sender = address(answer, "from")
    return (
        answer.name == "iq"
        and answer.ns == CLIENT
        and answer.get("type") in (IqType.RESULT, IqType.ERROR)
        and answer.get("id") == asked.id
        and address(answer, "to") == asked.sender
        and ("from" not in answer.attrs or sender == own)
    )
